// Package archtest holds the rules of docs/architecture.md as tests: which way
// imports run, and what no file may hold.
package archtest
