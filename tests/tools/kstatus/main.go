// kstatus says how a GitOps tool sees an object: it reads one object, or a List, as JSON on stdin, and prints a
// line for each: its status, a tab, and the message.
//
// The judgement is that of the library which Flux and Helm wait with. The object need not come from a cluster.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	// This decoder reads whole numbers as integers, as a client does; kstatus refuses a generation that is a float.
	read, err := runtime.Decode(unstructured.UnstructuredJSONScheme, text)
	if err != nil {
		return err
	}
	objects, ok := read.(*unstructured.UnstructuredList)
	if !ok {
		objects = &unstructured.UnstructuredList{
			Items: []unstructured.Unstructured{*read.(*unstructured.Unstructured)},
		}
	}
	for i := range objects.Items {
		result, err := status.Compute(&objects.Items[i])
		if err != nil {
			return fmt.Errorf("%s: %w", objects.Items[i].GetName(), err)
		}
		// A message of several lines must not look like several objects.
		message := strings.Join(strings.Fields(result.Message), " ")
		if _, err := fmt.Fprintf(out, "%s\t%s\n", result.Status, message); err != nil {
			return err
		}
	}
	return nil
}
