// Package diagnose turns gathered facts about one mapping into findings.
//
// It is pure: no clock, no I/O; the facts come from internal/gather. Rules:
//
//   - The checks form a DAG with stable codes (VSnnn). A check whose requirement
//     failed is skipped, so the first failing ancestor is the root cause.
//   - A symptom (a condition, an event: what a controller left behind) fails
//     visibly but is a root cause only when nothing else explains it.
//   - A fact that could not be had is "unknown" with its reason, never a guess,
//     never "ok", never "fail".
//   - Every failure names the object and the field, and its fix is a command or
//     a change that the reader can make. No value of a secret is ever a fact;
//     names of keys are.
//
// docs/runbook.md has a section for each code; a test holds the two together.
package diagnose
