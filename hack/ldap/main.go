// Command ldapd is a small LDAP directory for tests where no slapd is installed: it
// binds the names of a file with their passwords, and finds them by search.
//
//	ldapd ADDRESS FILE
//
// FILE is a JSON object from distinguished names to passwords.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/jimlambrt/gldap"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "ldapd:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("want ADDRESS and FILE")
	}
	raw, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	var entries directory
	if err := json.Unmarshal(raw, &entries); err != nil {
		return fmt.Errorf("reading %s: %w", args[1], err)
	}
	routes, err := gldap.NewMux()
	if err != nil {
		return err
	}
	if err := routes.Bind(entries.bind); err != nil {
		return err
	}
	if err := routes.Search(entries.search); err != nil {
		return err
	}
	server, err := gldap.NewServer()
	if err != nil {
		return err
	}
	if err := server.Router(routes); err != nil {
		return err
	}
	return server.Run(args[0])
}

// directory maps distinguished names to passwords.
type directory map[string]string

func (d directory) bind(w *gldap.ResponseWriter, r *gldap.Request) {
	answer := r.NewBindResponse(gldap.WithResponseCode(gldap.ResultInvalidCredentials))
	defer func() { _ = w.Write(answer) }()
	m, err := r.GetSimpleBindMessage()
	if err != nil {
		return
	}
	password, known := d[m.UserName]
	anonymous := m.UserName == "" && m.Password == ""
	if anonymous || known && password != "" && password == string(m.Password) {
		answer.SetResultCode(gldap.ResultSuccess)
	}
}

// search gives the entries at and below the base whose first attribute the filter
// names, as (uid=ann) does uid=ann,ou=people.
func (d directory) search(w *gldap.ResponseWriter, r *gldap.Request) {
	answer := r.NewSearchDoneResponse(gldap.WithResponseCode(gldap.ResultSuccess))
	defer func() { _ = w.Write(answer) }()
	m, err := r.GetSearchMessage()
	if err != nil {
		answer.SetResultCode(gldap.ResultOperationsError)
		return
	}
	for dn := range d {
		name, _, _ := strings.Cut(dn, ",")
		if !strings.HasSuffix(dn, m.BaseDN) || !strings.Contains(m.Filter, "("+name+")") && dn != m.BaseDN {
			continue
		}
		kind, value, _ := strings.Cut(name, "=")
		entry := r.NewSearchResponseEntry(dn, gldap.WithAttributes(map[string][]string{kind: {value}, "objectClass": {"inetOrgPerson"}}))
		_ = w.Write(entry)
	}
}
