// Package docs carries the documents that the programs themselves can show.
package docs

import _ "embed"

// Runbook is docs/runbook.md: one section a code of diagnose.
//
//go:embed runbook.md
var Runbook string
