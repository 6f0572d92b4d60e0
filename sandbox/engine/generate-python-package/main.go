// Write the Python package that a program imports to use a component in any language.
//
// This is a separate program, which the language host runs only when needed, because Pulumi's generator
// doubles a process's start time, and every CLI command starts the host twice. Its arguments are the
// package's directory and the address of the engine's schema loader; it reads the schema from standard input.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/pkg/v3/codegen/python"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

func main() {
	if err := generate(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func generate(directory, loaderAddress string) error {
	loader, err := schema.NewLoaderClient(loaderAddress)
	if err != nil {
		return err
	}
	var specification schema.PackageSpec
	if err := json.NewDecoder(os.Stdin).Decode(&specification); err != nil {
		return err
	}
	described, problems, err := schema.BindSpec(specification, loader, schema.ValidationOptions{})
	if err != nil {
		return err
	}
	if problems.HasErrors() {
		return problems
	}
	files, err := python.GeneratePackage(
		"pulumi-language-python", described, nil, schema.NewCachedLoader(loader))
	if err != nil {
		return err
	}
	for name, content := range files {
		file := filepath.Join(directory, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
