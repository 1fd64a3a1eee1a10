// Package bootstrap takes Vault from empty to least privilege: init and unseal, as state
// machines that need no terminal, and setup, which gathers facts, makes a plan of them
// (PlanSetup is pure) and carries it out.
//
// Rules: a share is sent to Vault and nowhere else; the file that keeps what init
// returns exists on disk before Vault is asked; after every answer nonce and progress
// are compared, so that another person's reset is noticed; every error says what
// state was left. Setup never takes over what it did not make, and changes a store only
// after its new login was seen to read what the mappings want.
package bootstrap
