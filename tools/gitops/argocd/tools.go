//go:build tools

// Package tools names the program that tools/get-gitops builds, so that go.mod and go.sum cover it.
package tools

import _ "github.com/argoproj/argo-cd/v3/cmd"
