package mapping

import (
	"encoding/base64"
	"maps"
	"slices"
	"unicode/utf8"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
	"vaultsecret.io/kubectl-vaultsecret/internal/kv"
	"vaultsecret.io/kubectl-vaultsecret/internal/redact"
)

// Set writes a value at the origin into a copy of the fields that were read, which must
// be the caller's to change.
func (o Origin) Set(fields map[string]any, text string) error {
	parent, ok := walk(fields, o.Steps[:len(o.Steps)-1]).(map[string]any)
	if !ok {
		return o.unfit("the property %s is gone from %s", name(o.Property()), name(o.Key))
	}
	parent[o.Steps[len(o.Steps)-1]] = text
	return nil
}

// Holds reports whether fields hold this text at the origin already.
func (o Origin) Holds(fields map[string]any, text string) bool {
	now, ok := walk(fields, o.Steps).(string)
	return ok && now == text
}

// Encode is the text that the entry's decodingStrategy turns into the value. Under Auto
// it is base64 where the present text is, or where the plain value would be taken for it.
func (o Origin) Encode(value redact.Bytes) (string, error) {
	plain := value.Reveal()
	switch o.Decoding {
	case eso.DecodeBase64:
		return base64.StdEncoding.EncodeToString(plain), nil
	case eso.DecodeBase64URL:
		return base64.URLEncoding.EncodeToString(plain), nil
	case eso.DecodeAuto:
		now, _ := walk(fieldsOf(o.Payload), o.Steps).(string)
		was, _ := decode(eso.DecodeAuto, []byte(now))
		is, _ := decode(eso.DecodeAuto, plain)
		if string(was) != now || string(is) != string(plain) || !utf8.Valid(plain) {
			return base64.StdEncoding.EncodeToString(plain), nil
		}
	}
	if !utf8.Valid(plain) {
		return "", o.unfit("the value is binary (not UTF-8), which Vault's JSON cannot carry; give it as base64 and set decodingStrategy: Base64 in %s", o.Field)
	}
	return string(plain), nil
}

// Replaced is what would be read once the origin's path holds these fields in its next
// version. Entries that found nothing there find it then.
func (in Inputs) Replaced(es *eso.ExternalSecret, o Origin, fields map[string]any) Inputs {
	next := Fetched{Payload: kv.NewPayload(o.Payload.Path, o.Payload.Version+1, fields)}
	is := func(store eso.StoreRef, ref *eso.RemoteRef, read Fetched) bool {
		return store == o.Store && ref.Version == "" && ref.MetadataPolicy != eso.MetadataFetch &&
			(ref.Key == o.Key || !read.Absent && read.Payload.Path == o.Payload.Path)
	}
	out := Inputs{Data: slices.Clone(in.Data), DataFrom: slices.Clone(in.DataFrom), Sources: in.Sources}
	for i := range out.Data {
		if is(es.DataStore(i), &es.Spec.Data[i].RemoteRef, out.Data[i]) {
			out.Data[i] = next
		}
	}
	for i := range out.DataFrom {
		store := es.DataFromStore(i)
		if ref := es.Spec.DataFrom[i].Extract; ref != nil && is(store, ref, out.DataFrom[i].One) {
			out.DataFrom[i].One = next
		}
		out.DataFrom[i].Hits = maps.Clone(out.DataFrom[i].Hits)
		for hit, payload := range out.DataFrom[i].Hits {
			if store == o.Store && payload.Path == o.Payload.Path {
				out.DataFrom[i].Hits[hit] = next.Payload
			}
		}
	}
	return out
}
