// Command k6 is the stock load generator, built from the Go module proxy: the version is pinned by
// go.mod and go.sum beside this file, and nothing is added to it.
package main

import k6cmd "go.k6.io/k6/v2/cmd"

func main() { k6cmd.Execute() }
