package mapping

import (
	"encoding/asn1"
	"reflect"
	"regexp"
)

// What a call of a costly function is taken for, in units of work (about 10 ns each
// on a slow machine).
const (
	workBcrypt = 8_000_000
	workScrypt = 20_000_000
	workRSA2k  = 25_000_000
	workRSA4k  = 100_000_000
	workDSA    = 250_000_000
	workSign   = 2_000_000
)

// costly puts a price on cryptography. What the functions do stays the same.
func (b *budget) costly(functions, lib map[string]any) {
	for function, price := range map[string]int{
		"bcrypt": workBcrypt, "htpasswd": workBcrypt, "derivePassword": workScrypt,
		"genCA": workRSA2k, "genSelfSignedCert": workRSA2k, "genSignedCert": workRSA2k,
		"genCAWithKey": workSign, "genSelfSignedCertWithKey": workSign, "genSignedCertWithKey": workSign,
		"buildCustomCert": workSign, "jwkPublicKeyPem": workSign, "jwkPrivateKeyPem": workSign,
		"rsaDecrypt":  workSign,
		"pemToPkcs12": workSign, "pemToPkcs12Pass": workSign,
		"fullPemToPkcs12": workSign, "fullPemToPkcs12Pass": workSign,
		"pemTruststoreToPKCS12": workSign, "pemTruststoreToPKCS12Pass": workSign,
	} {
		functions[function] = priced(lib[function], func([]reflect.Value) error { return b.spend(price) })
	}
	functions["genPrivateKey"] = priced(lib["genPrivateKey"], func(args []reflect.Value) error {
		switch args[0].String() {
		case "", "rsa":
			return b.spend(workRSA4k)
		case "dsa":
			return b.spend(workDSA)
		}
		return b.spend(workSign)
	})
	for _, function := range []string{"pkcs12key", "pkcs12cert", "pkcs12keyPass", "pkcs12certPass"} {
		functions[function] = priced(lib[function], func(args []reflect.Value) error {
			return b.spend(workSign + 50*iterations([]byte(args[len(args)-1].String()), 0))
		})
	}
	for _, function := range []string{"dateInZone", "date_in_zone", "htmlDateInZone"} {
		functions[function] = priced(lib[function], func(args []reflect.Value) error {
			if zone := args[len(args)-1].String(); !zoneName.MatchString(zone) {
				return faultf("", "the time zone is no name such as Europe/Berlin")
			}
			return b.spend(workSign / 100)
		})
	}
}

// zoneName is what a time zone's name may look like: a name of the system's table of
// zones, never a path.
var zoneName = regexp.MustCompile(`^([A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2})?$`)

// priced is a function of the same type that pays before it runs. An unpaid call
// panics with the reason, which text/template turns into the call's error.
func priced(function any, pay func(args []reflect.Value) error) any {
	f := reflect.ValueOf(function)
	return reflect.MakeFunc(f.Type(), func(args []reflect.Value) []reflect.Value {
		if err := pay(args); err != nil {
			panic(err)
		}
		return f.Call(args)
	}).Interface()
}

// iterations adds up the iteration counts that a PKCS#12 file asks for where it can
// be seen without its password: integers that follow a salt.
func iterations(der []byte, level int) int {
	total, salt := 0, false
	for len(der) > 0 && level < 32 {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(der, &v)
		if err != nil {
			return total
		}
		var n int
		switch {
		case v.IsCompound:
			total += iterations(v.Bytes, level+1)
		case v.Class == asn1.ClassUniversal && v.Tag == asn1.TagOctetString:
			total += iterations(v.Bytes, level+1)
		case salt && v.Class == asn1.ClassUniversal && v.Tag == asn1.TagInteger:
			if _, err := asn1.Unmarshal(v.FullBytes, &n); err == nil && n > 0 {
				total += min(n, 1<<40)
			}
		}
		total = min(total, 1<<40)
		salt = v.Class == asn1.ClassUniversal && v.Tag == asn1.TagOctetString
		der = rest
	}
	return total
}
