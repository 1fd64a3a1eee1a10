package plugin

import (
	"bufio"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"vaultsecret.io/kubectl-vaultsecret/internal/bootstrap"
	"vaultsecret.io/kubectl-vaultsecret/internal/gather"
)

// SealStatusList is what unseal --status and --reset print with -o json and yaml:
//
//	{"apiVersion":"vaultsecret.io/v1","kind":"SealStatusList","items":[
//	  {"server","initialized","sealed","active","type":"shamir|transit|…",
//	   "threshold","shares","progress","nonce","migration","version","storage","error"}]}
//
// With error nothing else of the server is known. A member that does not apply is absent.
type SealStatusList struct {
	metav1.TypeMeta `json:",inline"`
	Items           []SealStatus `json:"items"`
}

// SealStatus is one server's state.
type SealStatus struct {
	// Server is the Pod's name, or the address of --vault-addr.
	Server      string `json:"server"`
	Initialized bool   `json:"initialized"`
	Sealed      bool   `json:"sealed"`
	Active      bool   `json:"active"`
	Type        string `json:"type,omitempty"`
	// Threshold of Shares shares unseal; Progress were given, under Nonce.
	Threshold int    `json:"threshold,omitempty"`
	Shares    int    `json:"shares,omitempty"`
	Progress  int    `json:"progress"`
	Nonce     string `json:"nonce,omitempty"`
	Migration bool   `json:"migration,omitempty"`
	Version   string `json:"version,omitempty"`
	Storage   string `json:"storage,omitempty"`
	Error     string `json:"error,omitempty"`
}

// DeepCopyObject makes the list printable by cli-runtime; printers only read.
func (l *SealStatusList) DeepCopyObject() runtime.Object {
	c := *l
	return &c
}

func sealStatusList(states []bootstrap.State) *SealStatusList {
	list := &SealStatusList{TypeMeta: metav1.TypeMeta{APIVersion: "vaultsecret.io/v1", Kind: "SealStatusList"}, Items: []SealStatus{}}
	for _, s := range states {
		item := SealStatus{
			Server: s.Server, Initialized: s.Initialized, Sealed: s.Sealed, Active: s.Active, Type: s.Type, Threshold: s.Threshold,
			Shares: s.Shares, Progress: s.Progress, Nonce: gather.Clean(s.Nonce), Migration: s.Migration, Version: s.Version, Storage: s.StorageType,
		}
		if s.Err != nil {
			item.Error = gather.Clean(s.Err.Error())
		}
		list.Items = append(list.Items, item)
	}
	return list
}

// show prints the states on stdout; the exit code is bad unless every server is open.
func (u *unsealOptions) show(states []bootstrap.State) error {
	if err := u.printStates(states); err != nil {
		return err
	}
	for _, s := range states {
		if !s.Open() {
			return exit(ExitBad)
		}
	}
	return nil
}

func (u *unsealOptions) printStates(states []bootstrap.State) error {
	switch u.output {
	case "", "wide":
	case "name":
		for _, s := range states {
			fmt.Fprintln(u.Out, s.Server)
		}
		return nil
	default:
		return printObject(u.print, u.output, sealStatusList(states), u.Out)
	}
	header := []string{"SERVER", "STATE", "SEAL", "VERSION"}
	if u.output == "wide" {
		header = append(header, "SHARES", "NONCE", "STORAGE")
	}
	var rows [][]string
	for _, s := range states {
		row := []string{s.Server, gather.Clean(s.String()), dash(s.Type), dash(s.Version)}
		if u.output == "wide" {
			shares := ""
			if s.Shares > 0 {
				shares = fmt.Sprintf("%d of %d", s.Threshold, s.Shares)
			}
			row = append(row, dash(shares), dash(s.Nonce), dash(s.StorageType))
		}
		rows = append(rows, row)
	}
	out := bufio.NewWriter(u.Out)
	if err := table(out, header, rows); err != nil {
		return err
	}
	return out.Flush()
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return gather.Clean(text)
}

// line prints one server's state for a person.
func (o *Options) stateLine(s bootstrap.State) {
	mark := o.marks().OK
	switch {
	case s.Err != nil:
		mark = o.marks().Warn
	case !s.Open():
		mark = o.marks().Fail
	}
	details := ""
	if s.Err == nil {
		details = fmt.Sprintf(" (seal %s, v%s)", s.Type, s.Version)
	}
	fmt.Fprintf(o.ErrOut, "%s %s: %s%s\n", mark, s.Server, gather.Clean(s.String()), gather.Clean(details))
}
