//go:build tools

// Package tools names the program that tools/get builds, so that go.mod and go.sum cover it.
package tools

import (
	_ "github.com/prometheus/prometheus/cmd/promtool"
)
