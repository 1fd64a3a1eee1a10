package plugin

import (
	"encoding/xml"
	"fmt"
	"io"

	"vaultsecret.io/kubectl-vaultsecret/internal/diagnose"
)

// The shape that CI systems read: a suite a mapping, a case a check.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitMessage `xml:"failure,omitempty"`
	Skipped *junitMessage `xml:"skipped,omitempty"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// writeJUnit writes the reports as JUnit XML. What is unknown counts as skipped:
// it is neither good nor bad.
func writeJUnit(w io.Writer, reports []diagnose.Report) error {
	all := junitSuites{Name: "kubectl vaultsecret diagnose"}
	for _, r := range reports {
		suite := junitSuite{Name: r.Namespace + "/" + r.Name}
		for _, f := range r.Checks {
			c := junitCase{Class: suite.Name + "." + f.Group, Name: f.Code + " " + f.Title}
			if f.Subject != "" {
				c.Name += " (" + f.Subject + ")"
			}
			message := &junitMessage{Message: f.Message, Text: f.Fix}
			switch f.Status {
			case diagnose.StatusFail:
				c.Failure = message
				suite.Failures++
			case diagnose.StatusSkip, diagnose.StatusUnknown:
				c.Skipped = message
				suite.Skipped++
			case diagnose.StatusWarn:
				c.Out = "warning: " + f.Message
			}
			suite.Cases = append(suite.Cases, c)
		}
		suite.Tests = len(suite.Cases)
		all.Tests += suite.Tests
		all.Failures += suite.Failures
		all.Suites = append(all.Suites, suite)
	}
	doc, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("writing JUnit: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, doc)
	return err
}
