// Command kstatus reads Kubernetes objects, a JSON document a line, and prints for each what Flux takes it for:
// {"status": "InProgress", "message": "..."}, a line an object.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The API server takes no object of more than 3 MiB.
const longest = 4 << 20

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "kstatus:", err)
		os.Exit(1)
	}
}

func run() error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, longest)
	verdicts := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var object unstructured.Unstructured
		if err := object.UnmarshalJSON(lines.Bytes()); err != nil {
			return err
		}
		result, err := status.Compute(&object)
		if err != nil {
			return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
		verdict := map[string]string{"status": result.Status.String(), "message": result.Message}
		if err := verdicts.Encode(verdict); err != nil {
			return err
		}
	}
	return lines.Err()
}
