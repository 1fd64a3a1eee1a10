package diagnose

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

func loginChecks() []Check {
	return []Check{
		{Code: "VS501", Group: GroupAuth, Title: "what the store names exists", Requires: []string{"VS301", "VS304", "VS306", "VS307", "VS308"}, store: referencesExist},
		{Code: "VS502", Group: GroupAuth, Title: "login works", Requires: []string{"VS402", "VS501"}, store: loginWorks},
		{Code: "VS503", Quiet: true, Group: GroupAuth, Title: "token lasts", Requires: []string{"VS502"}, store: tokenLasts},
		{Code: "VS506", Quiet: true, Group: GroupAuth, Title: "no root token", Requires: []string{"VS502"}, store: noRootToken},
	}
}

func referencesExist(f *Facts, s *Store) Verdict {
	var good []string
	var blind *Verdict
	for _, r := range s.References {
		exists, u := have(r.Exists)
		field := "spec.provider.vault." + r.Field
		name := r.Kind + " " + r.In + "/" + r.Name
		switch {
		case u != nil:
			v := unknown("%s (%s of %s): %s", name, field, s.name(f), r.Exists.Why)
			blind = &v
		case !exists && r.Kind == "ServiceAccount":
			return fail(fmt.Sprintf("kubectl -n %s create serviceaccount %s", Quote(r.In), Quote(r.Name)),
				"%s does not exist, which %s of %s names", name, field, s.name(f))
		case !exists:
			return fail(createReference(r), "%s does not exist, which %s of %s names", name, field, s.name(f))
		case r.Key != "" && !slices.Contains(r.Keys, r.Key):
			return fail(otherKey(f, s, r), "%s has no key %q, which %s.key of %s names; it has %s%s", name, r.Key, field, s.name(f), list(r.Keys, 5), didYouMean(r.Key, r.Keys))
		case r.Flaw != "":
			return fail(createReference(r), "the value of key %q in %s (%s of %s) %s", r.Key, name, field, s.name(f), r.Flaw)
		case r.Key != "":
			good = append(good, fmt.Sprintf("%s has key %q", name, r.Key))
		default:
			good = append(good, name+" exists")
		}
	}
	switch {
	case blind != nil:
		return *blind
	case len(good) == 0:
		return Verdict{}
	}
	return ok("%s", strings.Join(good, "; "))
}

// otherKey is how a store and an object that has other keys come together again.
func otherKey(f *Facts, s *Store, r Reference) string {
	key := "KEY"
	switch meant := near(r.Key, r.Keys); {
	case len(meant) > 0:
		key = Quote(meant[0])
	case len(r.Keys) == 1:
		key = Quote(r.Keys[0])
	}
	return fmt.Sprintf("kubectl edit %s   # spec.provider.vault.%s.key: %s, if that is the credential\n# or give the object the key that is asked for: %s",
		s.kubectl(f), r.Field, key, createReference(r))
}

func createReference(r Reference) string {
	key := r.Key
	if key == "" {
		key = "KEY"
	}
	if r.Kind == "ConfigMap" {
		return fmt.Sprintf("kubectl -n %s create configmap %s --from-file=%s=FILE", Quote(r.In), Quote(r.Name), Quote(key))
	}
	return fmt.Sprintf("kubectl -n %s create secret generic %s --from-file=%s=FILE --dry-run=client -o yaml | kubectl apply -f -", Quote(r.In), Quote(r.Name), Quote(key))
}

func loginWorks(f *Facts, s *Store) Verdict {
	result, u := have(s.Login.Result)
	if u != nil {
		return *u
	}
	if result.Refused != "" {
		field := result.Field
		if field == "" {
			field = "spec.provider.vault.auth." + s.Login.Method
		}
		where := ""
		if name := s.vaultNamespace(); name != "" {
			where = fmt.Sprintf("; it was asked in Vault's namespace %q (spec.provider.vault.namespace)", name)
		}
		return fail(loginFix(s), "Vault refuses the credential of %s (%s): %s%s", s.name(f), field, clip(result.Refused), where)
	}
	t, u := have(s.Login.Token)
	switch {
	case result.Blind && s.static():
		return ok("Vault does not refuse the token, which may not look itself up: no auth/token/lookup-self in its policies")
	case u != nil && s.static():
		return *u // nothing was asked but what it is
	case u != nil:
		return ok("login by %s works", s.Login.Method)
	}
	word := "token is valid"
	if t.FromLogin {
		word = "login by " + s.Login.Method + " works"
	}
	end := "no end"
	if t.Expires {
		end = "ttl " + duration.HumanDuration(t.TTL)
	}
	return ok("%s, policies [%s], %s", word, strings.Join(t.Policies, " "), end)
}

// static reports whether the store names a token, so that there is no login that could
// fail or be repeated.
func (s *Store) static() bool { return s.Login.Method == "tokenSecretRef" }

// vaultNamespace is the namespace of Vault in which the store logs in, "" for the root.
func (s *Store) vaultNamespace() string {
	if o := s.Object.Value; o != nil && o.Spec.Provider.Vault != nil {
		return clip(o.Spec.Provider.Vault.LoginNamespace())
	}
	return ""
}

// loginFix is what renews a credential of the store's method.
func loginFix(s *Store) string {
	var auth eso.VaultAuth
	if o := s.Object.Value; o != nil && o.Spec.Provider.Vault != nil && o.Spec.Provider.Vault.Auth != nil {
		auth = *o.Spec.Provider.Vault.Auth
	}
	replace := ""
	for _, r := range s.References {
		if strings.HasPrefix(r.Field, "auth.") && r.Kind == "Secret" {
			replace = createReference(r)
		}
	}
	switch {
	case s.static():
		return "vault token create -orphan -policy=POLICY -field=token > FILE\n" + replace
	case s.Login.Method == "appRole" && auth.AppRole != nil:
		return fmt.Sprintf("vault write -f -field=secret_id auth/%s/role/ROLE/secret-id > FILE\n%s", orDefault(auth.AppRole.Path, "approle"), replace)
	case s.Login.Method == "kubernetes" && auth.Kubernetes != nil:
		mount := orDefault(auth.Kubernetes.Path, "kubernetes")
		return fmt.Sprintf("vault read auth/%s/role/%s   # bound names, namespaces and audience\nvault read auth/%s/config", mount, Quote(auth.Kubernetes.Role), mount)
	case s.Login.Method == "jwt" && auth.JWT != nil:
		return fmt.Sprintf("vault read auth/%s/role/%s   # bound claims and audiences", orDefault(auth.JWT.Path, "jwt"), Quote(auth.JWT.Role))
	case replace != "":
		return "vault auth list\n" + replace
	}
	return "vault auth list"
}

func orDefault(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return Quote(text)
}

func tokenLasts(_ *Facts, s *Store) Verdict {
	t, u := have(s.Login.Token)
	switch {
	case s.Login.Result.Value.Blind && !s.static():
		return Verdict{} // its login is repeated when it ends
	case u != nil:
		return *u
	case t.Uses > 0:
		return warn("vault token create -orphan -policy=POLICY -use-limit=0", "the token may be used %d times more, then every sync fails", t.Uses)
	case !t.Expires || t.FromLogin && t.TTL > time.Minute:
		return Verdict{}
	case t.FromLogin:
		return warn("vault auth list   # raise token_ttl of the role", "the login gives a token of only %s", duration.HumanDuration(t.TTL))
	case t.TTL < time.Hour, !t.Renewable && t.TTL < 7*24*time.Hour:
		return warn("kubectl explain clustersecretstore.spec.provider.vault.auth.appRole   # a login that is repeated does not run out",
			"the stored token ends in %s, and nobody can log in again with it", duration.HumanDuration(t.TTL))
	}
	return Verdict{}
}

func noRootToken(f *Facts, s *Store) Verdict {
	t, u := have(s.Login.Token)
	switch {
	case s.Login.Result.Value.Blind:
		return Verdict{} // a root token may do everything
	case u != nil:
		return *u
	case !t.Root:
		return Verdict{}
	}
	fix := "kubectl vaultsecret setup --store " + s.Ref.Kind + "/" + Quote(s.Ref.Name)
	if s.Ref.Kind == eso.KindSecretStore {
		fix += " -n " + Quote(f.Namespace)
	}
	return warn(fix, "%s uses a root token: whoever reads that Secret owns Vault; give it a login of its own", s.name(f))
}
