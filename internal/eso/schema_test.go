package eso_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// field is what a schema says of one field, apart from its description.
type field struct {
	Type     string
	Default  any
	Enum     string
	Pattern  string
	Min, Max float64
	Required string
}

func describe(s object) field {
	f := field{Default: s["default"]}
	f.Type, _ = s["type"].(string)
	f.Pattern, _ = s["pattern"].(string)
	for _, name := range []string{"minLength", "minItems", "minProperties"} {
		if n, ok := s[name].(float64); ok {
			f.Min = n
		}
	}
	for _, name := range []string{"maxLength", "maxItems", "maxProperties"} {
		if n, ok := s[name].(float64); ok {
			f.Max = n
		}
	}
	f.Enum, f.Required = joined(s["enum"]), joined(s["required"])
	return f
}

func joined(list any) string {
	var words []string
	all, _ := list.([]any)
	for _, word := range all {
		words = append(words, word.(string))
	}
	return strings.Join(words, " ")
}

func TestSchemaOfExternalSecret(t *testing.T) {
	var (
		text      = field{Type: "string"}
		flag      = field{Type: "boolean"}
		list      = field{Type: "array"}
		name      = field{Type: "string", Pattern: subdomain, Min: 1, Max: 253}
		key       = field{Type: "string", Pattern: dataKey, Min: 1, Max: 253}
		storeKind = field{Type: "string", Enum: "SecretStore ClusterSecretStore"}
		decoding  = field{Type: "string", Enum: "Auto Base64 Base64URL None"}
		source    = field{Type: "object", Min: 1, Max: 1}
	)
	want := map[string]field{
		"spec":                                                          {Type: "object"},
		"spec.secretStoreRef":                                           {Type: "object"},
		"spec.secretStoreRef.name":                                      name,
		"spec.secretStoreRef.kind":                                      storeKind,
		"spec.refreshPolicy":                                            {Type: "string", Enum: "CreatedOnce Periodic OnChange"},
		"spec.refreshInterval":                                          {Type: "string", Default: "1h0m0s"},
		"spec.syncWindows":                                              {Type: "object", Required: "kind windows"},
		"spec.syncWindows.kind":                                         {Type: "string", Enum: "allow deny"},
		"spec.syncWindows.windows":                                      {Type: "array", Min: 1},
		"spec.syncWindows.windows[]":                                    {Type: "object", Required: "duration schedule"},
		"spec.syncWindows.windows[].schedule":                           {Type: "string", Min: 1, Pattern: `^(@(annually|yearly|monthly|weekly|daily|midnight|hourly)|@every .+|\S+ \S+ \S+ \S+ \S+)$`},
		"spec.syncWindows.windows[].duration":                           text,
		"spec.target":                                                   {Type: "object", Default: object{"creationPolicy": "Owner", "deletionPolicy": "Retain"}},
		"spec.target.name":                                              name,
		"spec.target.creationPolicy":                                    {Type: "string", Default: "Owner", Enum: "Owner Orphan Merge None CreateOrMerge"},
		"spec.target.deletionPolicy":                                    {Type: "string", Default: "Retain", Enum: "Delete Merge Retain"},
		"spec.target.immutable":                                         flag,
		"spec.target.manifest":                                          {Type: "object", Required: "apiVersion kind"},
		"spec.target.manifest.apiVersion":                               {Type: "string", Min: 1},
		"spec.target.manifest.kind":                                     {Type: "string", Min: 1},
		"spec.target.template":                                          {Type: "object"},
		"spec.target.template.type":                                     text,
		"spec.target.template.engineVersion":                            {Type: "string", Default: "v2", Enum: "v2"},
		"spec.target.template.mergePolicy":                              {Type: "string", Default: "Replace", Enum: "Replace Merge"},
		"spec.target.template.metadata":                                 {Type: "object"},
		"spec.target.template.metadata.labels":                          {Type: "object"},
		"spec.target.template.metadata.annotations":                     {Type: "object"},
		"spec.target.template.metadata.finalizers":                      list,
		"spec.target.template.data":                                     {Type: "object"},
		"spec.target.template.templateFrom":                             list,
		"spec.target.template.templateFrom[].configMap":                 {Type: "object", Required: "items name"},
		"spec.target.template.templateFrom[].configMap.name":            name,
		"spec.target.template.templateFrom[].configMap.items[]":         {Type: "object", Required: "key"},
		"spec.target.template.templateFrom[].configMap.items[].key":     key,
		"spec.target.template.templateFrom[].secret":                    {Type: "object", Required: "items name"},
		"spec.target.template.templateFrom[].secret.items[].templateAs": {Type: "string", Default: "Values", Enum: "Values KeysAndValues"},
		"spec.target.template.templateFrom[].literal":                   text,
		"spec.target.template.templateFrom[].target":                    {Type: "string", Default: "Data"},
		"spec.target.template.templateFrom[].valuesDecodingStrategy":    decoding,
		"spec.data":                                         list,
		"spec.data[]":                                       {Type: "object", Required: "remoteRef secretKey"},
		"spec.data[].secretKey":                             key,
		"spec.data[].remoteRef":                             {Type: "object", Required: "key"},
		"spec.data[].remoteRef.key":                         text,
		"spec.data[].remoteRef.property":                    text,
		"spec.data[].remoteRef.version":                     text,
		"spec.data[].remoteRef.metadataPolicy":              {Type: "string", Enum: "None Fetch"},
		"spec.data[].remoteRef.conversionStrategy":          {Type: "string", Enum: "Default Unicode"},
		"spec.data[].remoteRef.decodingStrategy":            decoding,
		"spec.data[].remoteRef.nullBytePolicy":              {Type: "string", Enum: "Ignore Fail"},
		"spec.data[].sourceRef":                             source,
		"spec.data[].sourceRef.storeRef.name":               name,
		"spec.data[].sourceRef.storeRef.kind":               storeKind,
		"spec.data[].sourceRef.generatorRef":                {Type: "object", Required: "kind name"},
		"spec.dataFrom":                                     list,
		"spec.dataFrom[].extract":                           {Type: "object", Required: "key"},
		"spec.dataFrom[].extract.decodingStrategy":          decoding,
		"spec.dataFrom[].find":                              {Type: "object"},
		"spec.dataFrom[].find.path":                         text,
		"spec.dataFrom[].find.name.regexp":                  text,
		"spec.dataFrom[].find.tags":                         {Type: "object"},
		"spec.dataFrom[].find.conversionStrategy":           {Type: "string", Enum: "Default Unicode"},
		"spec.dataFrom[].find.decodingStrategy":             decoding,
		"spec.dataFrom[].find.nullBytePolicy":               {Type: "string", Enum: "Ignore Fail"},
		"spec.dataFrom[].rewrite[]":                         source,
		"spec.dataFrom[].rewrite[].regexp":                  {Type: "object", Required: "source target"},
		"spec.dataFrom[].rewrite[].transform":               {Type: "object", Required: "template"},
		"spec.dataFrom[].rewrite[].merge.into":              {Type: "string", Default: ""},
		"spec.dataFrom[].rewrite[].merge.priority":          list,
		"spec.dataFrom[].rewrite[].merge.priorityPolicy":    {Type: "string", Default: "Strict", Enum: "IgnoreNotFound Strict"},
		"spec.dataFrom[].rewrite[].merge.conflictPolicy":    {Type: "string", Default: "Error", Enum: "Ignore Error"},
		"spec.dataFrom[].rewrite[].merge.strategy":          {Type: "string", Default: "Extract", Enum: "Extract JSON"},
		"spec.dataFrom[].sourceRef":                         source,
		"spec.dataFrom[].sourceRef.generatorRef.apiVersion": {Type: "string", Default: "generators.external-secrets.io/v1alpha1"},
		"status.refreshTime":                                text,
		"status.syncedResourceVersion":                      text,
		"status.conditions[]":                               {Type: "object", Required: "status type"},
		"status.binding.name":                               {Type: "string", Default: ""},
	}
	doc := crd(t, "externalsecrets")
	for path, f := range want {
		for _, version := range []string{"0", "1"} {
			if diff := cmp.Diff(f, describe(schemaOf(t, doc, version, path))); diff != "" {
				t.Errorf("%s of version %s (-want +got):\n%s", path, version, diff)
			}
		}
	}
	if got := schemaOf(t, doc, "0", "status.refreshTime")["nullable"]; got != true {
		t.Error("status.refreshTime is not nullable")
	}
	if got := schemaOf(t, doc, "0", "status.binding")["x-kubernetes-map-type"]; got != "atomic" {
		t.Errorf("status.binding is %v, want atomic", got)
	}
	for version, enum := range map[string]string{"0": "Ready Deleted", "1": ""} {
		if got := describe(schemaOf(t, doc, version, "status.conditions[].type")); got != (field{Type: "string", Enum: enum}) {
			t.Errorf("condition type of version %s: %+v", version, got)
		}
	}
}

func TestSchemaOfStores(t *testing.T) {
	var (
		text = field{Type: "string"}
		name = field{Type: "string", Pattern: subdomain, Min: 1, Max: 253}
		key  = field{Type: "string", Pattern: dataKey, Min: 1, Max: 253}
		ns   = field{Type: "string", Pattern: label, Min: 1, Max: 63}
		path = func(fallback any) field { return field{Type: "string", Default: fallback} }
	)
	want := map[string]field{
		"spec":                                {Type: "object", Required: "provider"},
		"spec.controller":                     text,
		"spec.provider":                       {Type: "object", Min: 1, Max: 1},
		"spec.refreshInterval":                {},
		"spec.retrySettings.maxRetries":       {Type: "integer"},
		"spec.retrySettings.retryInterval":    text,
		"spec.conditions[].namespaceSelector": {Type: "object"},
		"spec.conditions[].namespaces[]":      ns,
		"spec.conditions[].namespaceRegexes":  {Type: "array"},
		"status.capabilities":                 text,
		"status.conditions[]":                 {Type: "object", Required: "status type"},
		"status.conditions[].type":            text,
	}
	for member, f := range map[string]field{
		"server":                                 text,
		"path":                                   text,
		"version":                                {Type: "string", Default: "v2", Enum: "v1 v2"},
		"namespace":                              text,
		"caBundle":                               text,
		"caProvider":                             {Type: "object", Required: "name type"},
		"caProvider.type":                        {Type: "string", Enum: "Secret ConfigMap"},
		"caProvider.name":                        name,
		"caProvider.key":                         key,
		"caProvider.namespace":                   ns,
		"tls.certSecretRef.name":                 name,
		"tls.keySecretRef.key":                   key,
		"readYourWrites":                         {Type: "boolean"},
		"forwardInconsistent":                    {Type: "boolean"},
		"headers":                                {Type: "object"},
		"checkAndSet.required":                   {Type: "boolean"},
		"auth":                                   {Type: "object"},
		"auth.namespace":                         text,
		"auth.tokenSecretRef":                    {Type: "object"},
		"auth.tokenSecretRef.name":               name,
		"auth.tokenSecretRef.namespace":          ns,
		"auth.tokenSecretRef.key":                key,
		"auth.appRole":                           {Type: "object", Required: "path secretRef"},
		"auth.appRole.path":                      path("approle"),
		"auth.appRole.roleId":                    text,
		"auth.appRole.roleRef.key":               key,
		"auth.kubernetes":                        {Type: "object", Required: "mountPath role"},
		"auth.kubernetes.mountPath":              path("kubernetes"),
		"auth.kubernetes.serviceAccountRef":      {Type: "object", Required: "name"},
		"auth.kubernetes.serviceAccountRef.name": name,
		"auth.kubernetes.serviceAccountRef.namespace":      ns,
		"auth.kubernetes.serviceAccountRef.audiences":      {Type: "array"},
		"auth.kubernetes.secretRef.name":                   name,
		"auth.ldap":                                        {Type: "object", Required: "path username"},
		"auth.ldap.path":                                   path("ldap"),
		"auth.ldap.secretRef.key":                          key,
		"auth.userPass":                                    {Type: "object", Required: "path username"},
		"auth.userPass.path":                               path("userpass"),
		"auth.jwt":                                         {Type: "object", Required: "path"},
		"auth.jwt.path":                                    path("jwt"),
		"auth.jwt.role":                                    text,
		"auth.jwt.kubernetesServiceAccountToken":           {Type: "object", Required: "serviceAccountRef"},
		"auth.jwt.kubernetesServiceAccountToken.audiences": {Type: "array"},
		"auth.jwt.kubernetesServiceAccountToken.expirationSeconds": {Type: "integer"},
		"auth.cert":                    {Type: "object"},
		"auth.cert.path":               path("cert"),
		"auth.cert.vaultRole":          text,
		"auth.cert.clientCert.name":    name,
		"auth.cert.secretRef.name":     name,
		"auth.iam":                     {Type: "object", Required: "vaultRole"},
		"auth.iam.path":                text,
		"auth.iam.region":              text,
		"auth.iam.role":                text,
		"auth.iam.externalID":          text,
		"auth.iam.vaultAwsIamServerID": text,
		"auth.iam.secretRef.accessKeyIDSecretRef.name":     name,
		"auth.iam.secretRef.secretAccessKeySecretRef.name": name,
		"auth.iam.secretRef.sessionTokenSecretRef.name":    name,
		"auth.iam.jwt.serviceAccountRef":                   {Type: "object", Required: "name"},
		"auth.gcp":                                         {Type: "object", Required: "role"},
		"auth.gcp.path":                                    path("gcp"),
		"auth.gcp.projectID":                               text,
		"auth.gcp.location":                                text,
		"auth.gcp.secretRef.secretAccessKeySecretRef.name": name,
		"auth.gcp.workloadIdentity":                        {Type: "object", Required: "serviceAccountRef"},
		"auth.gcp.workloadIdentity.clusterLocation":        text,
		"auth.gcp.workloadIdentity.clusterName":            text,
		"auth.gcp.workloadIdentity.clusterProjectID":       text,
		"auth.gcp.serviceAccountRef.name":                  name,
	} {
		want["spec.provider.vault."+member] = f
	}
	for _, plural := range []string{"secretstores", "clustersecretstores"} {
		doc := crd(t, plural)
		for path, f := range want {
			for _, version := range []string{"0", "1"} {
				if diff := cmp.Diff(f, describe(schemaOf(t, doc, version, path))); diff != "" {
					t.Errorf("%s: %s of version %s (-want +got):\n%s", plural, path, version, diff)
				}
			}
		}
		if schemaOf(t, doc, "0", "spec.provider")["x-kubernetes-preserve-unknown-fields"] != true {
			t.Errorf("%s prunes other providers", plural)
		}
		if schemaOf(t, doc, "0", "spec.refreshInterval")["x-kubernetes-int-or-string"] != true {
			t.Errorf("%s: refreshInterval is not an integer or a string", plural)
		}
		if schemaOf(t, doc, "0", "spec.conditions[].namespaceSelector")["x-kubernetes-map-type"] != "atomic" {
			t.Errorf("%s: namespaceSelector is not atomic", plural)
		}
	}
}
