package plugin

import (
	"io"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
)

// printObject prints by cli-runtime: json, yaml, jsonpath, go-template.
func printObject(flags *genericclioptions.PrintFlags, output string, object runtime.Object, w io.Writer) error {
	flags.OutputFormat = &output
	printer, err := flags.ToPrinter()
	if err != nil {
		return usage("--output=%s: %s", output, err)
	}
	return printer.PrintObj(object, w)
}
