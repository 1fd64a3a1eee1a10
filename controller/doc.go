// Package controller is the loop: a ticker, a pure schedule, watches that mark,
// passes with bounded concurrency, and one place that reports.
//
// A pass reads as a story: take what is due, group it by store, sync it, report.
// Watches carry no logic: they mark and wake. Time is an argument of every decision.
// What a mapping's sync is, internal/engine knows; this package knows when.
package controller
