package plugin

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
)

// diagnosisPrinter prints reports for people. mark turns a status into its mark,
// e.g. "✔", or "[ok]" without a UTF-8 locale, coloured where that is wanted.
type diagnosisPrinter struct {
	out  io.Writer
	mark func(diagnose.Status) string
	// root points at a root cause, e.g. "← root cause".
	root string
	// groups are those to print; empty is all.
	groups []string
	short  bool
}

// report prints one mapping: a line for the chain, the checks by group, the count.
func (p diagnosisPrinter) report(r diagnose.Report) {
	if p.short {
		p.shortReport(r)
		return
	}
	fmt.Fprintf(p.out, "%s\n\n", r.Chain)
	heading, times := "", map[string]int{}
	for _, f := range r.Checks {
		times[f.Code]++
	}
	for _, f := range p.shown(r) {
		if times[f.Code] > 1 && !names(f.Message, f.Subject) {
			f.Message += " [" + f.Subject + "]"
		}
		if h := diagnose.Heading(f.Group); h != heading {
			heading = h
			fmt.Fprintln(p.out, heading)
		}
		p.finding(f)
	}
	p.summary(r)
}

// names reports whether a message tells which store or path it is about.
func names(message, subject string) bool {
	kind, name, _ := strings.Cut(subject, "/")
	_, short, _ := strings.Cut(name, "/") // a SecretStore's name, behind its namespace
	return strings.Contains(message, subject) || strings.Contains(message+" ", kind+"/"+short+" ")
}

func (p diagnosisPrinter) finding(f diagnose.Finding) {
	line := fmt.Sprintf("%s %s %s", p.mark(f.Status), f.Code, f.Message)
	if f.Root {
		line = pad(line, 74) + " " + p.root
	}
	fmt.Fprintln(p.out, line)
	if f.Fix != "" && (f.Root || f.Status == diagnose.StatusWarn) {
		p.fix(f.Fix)
	}
}

// fix prints a command so that it can be copied: what follows the first line is
// indented alike.
func (p diagnosisPrinter) fix(fix string) {
	for i, line := range strings.Split(fix, "\n") {
		prefix := "    fix: "
		if i > 0 {
			prefix = "         "
		}
		fmt.Fprintln(p.out, strings.TrimRight(prefix+line, " "))
	}
}

func (p diagnosisPrinter) summary(r diagnose.Report) {
	counts := map[diagnose.Status]int{}
	shown := p.shown(r)
	for _, f := range shown {
		counts[f.Status]++
	}
	line := fmt.Sprintf("%d checks: %d ok, %s, %d failed, %d skipped", len(shown), counts[diagnose.StatusOK],
		count(counts[diagnose.StatusWarn], "warning"), counts[diagnose.StatusFail], counts[diagnose.StatusSkip])
	if n := counts[diagnose.StatusUnknown]; n > 0 {
		line += fmt.Sprintf(", %d unknown", n)
	}
	if len(r.RootCauses) > 0 && !r.Missing {
		line += ". Then: kubectl vaultsecret sync-now " + r.Name
		if r.Namespace != "" {
			line += " -n " + r.Namespace
		}
	}
	fmt.Fprintln(p.out, line)
}

// shortReport is one line a mapping, and one a root cause.
func (p diagnosisPrinter) shortReport(r diagnose.Report) {
	name := r.Namespace + "/" + r.Name
	roots := r.Roots()
	if len(roots) == 0 {
		status, word := diagnose.StatusOK, "healthy"
		switch {
		case r.Count(diagnose.StatusUnknown) > 0:
			status, word = diagnose.StatusUnknown, fmt.Sprintf("nothing failed, %d unknown", r.Count(diagnose.StatusUnknown))
		case r.Count(diagnose.StatusWarn) > 0:
			status, word = diagnose.StatusWarn, count(r.Count(diagnose.StatusWarn), "warning")
		}
		fmt.Fprintf(p.out, "%s %s: %s\n", p.mark(status), name, word)
		return
	}
	for _, f := range roots {
		fmt.Fprintf(p.out, "%s %s: %s %s\n", p.mark(f.Status), name, f.Code, f.Message)
		p.fix(f.Fix)
	}
}

// causes prints what many mappings have in common: each root cause once, with the
// mappings that it makes fail.
func (p diagnosisPrinter) causes(reports []diagnose.Report) {
	causes := diagnose.Group(reports)
	slices.SortStableFunc(causes, func(a, b diagnose.Cause) int { return len(b.Mappings) - len(a.Mappings) })
	for _, c := range causes {
		fmt.Fprintf(p.out, "%s %s %s\n", p.mark(c.Status), c.Code, c.Message)
		fmt.Fprintf(p.out, "    %s: %s\n", count(len(c.Mappings), "mapping"), firstOf(c.Mappings, 5))
		p.fix(c.Fix)
	}
	good, warned, unknown := 0, 0, 0
	for _, r := range reports {
		switch {
		case len(r.RootCauses) > 0:
		case r.Count(diagnose.StatusUnknown) > 0:
			unknown++
		case r.Count(diagnose.StatusWarn) > 0:
			warned++
		default:
			good++
		}
	}
	fmt.Fprintf(p.out, "%s: %d good, %d with warnings, %d failing of %s", count(len(reports), "mapping"), good, warned,
		len(reports)-good-warned-unknown, count(len(causes), "root cause"))
	if unknown > 0 {
		fmt.Fprintf(p.out, ", %d unknown", unknown)
	}
	fmt.Fprintln(p.out)
}

func (p diagnosisPrinter) shown(r diagnose.Report) []diagnose.Finding {
	if len(p.groups) == 0 {
		return r.Checks
	}
	var shown []diagnose.Finding
	for _, f := range r.Checks {
		if slices.Contains(p.groups, f.Group) {
			shown = append(shown, f)
		}
	}
	return shown
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func firstOf(names []string, n int) string {
	if len(names) <= n {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:n], ", "), len(names)-n)
}

// pad fills a line up to a column, counted in runes.
func pad(line string, column int) string {
	if n := column - len([]rune(line)); n > 0 {
		return line + strings.Repeat(" ", n)
	}
	return line
}
