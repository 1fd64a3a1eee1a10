package plugin

import (
	"github.com/spf13/cobra"

	"vaultsecret.io/kubectl-vaultsecret/internal/bootstrap"
)

// joinOwn is --join without an address: the active server's own.
const joinOwn = "active"

// joinFlag is --join[=ADDRESS].
type joinFlag struct{ address string }

func (j *joinFlag) add(c *cobra.Command) {
	c.Flags().StringVar(&j.address, "join", "", "tell servers that are not initialized to join the raft cluster of the active one, at its api_addr or at =ADDRESS")
	c.Flags().Lookup("join").NoOptDefVal = joinOwn
	_ = c.RegisterFlagCompletionFunc("join", cobra.NoFileCompletions)
}

// join is nil without the flag. Servers verify each other by the CA that verifies them
// here.
func (j *joinFlag) join(t vaultTarget) (*bootstrap.Join, error) {
	if j.address == "" {
		return nil, nil
	}
	trust, err := t.trust()
	if err != nil {
		return nil, err
	}
	join := &bootstrap.Join{CA: trust.CA}
	if j.address != joinOwn {
		join.Leader = j.address
	}
	return join, nil
}
