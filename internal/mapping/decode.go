package mapping

import (
	"bytes"
	"encoding/base64"

	"vaultsecret.io/kubectl-vaultsecret/internal/eso"
)

// decode applies a decodingStrategy: RFC 4648 with padding, the standard alphabet
// for Base64 and the URL-safe one for Base64URL; Auto takes whichever fits, and the
// value as it is when none does.
func decode(strategy eso.DecodingStrategy, value []byte) ([]byte, error) {
	switch strategy {
	case "", eso.DecodeNone:
		return value, nil
	case eso.DecodeBase64:
		return decodeBase64(base64.StdEncoding, strategy, value)
	case eso.DecodeBase64URL:
		return decodeBase64(base64.URLEncoding, strategy, value)
	case eso.DecodeAuto:
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			if decoded, err := decodeBase64(encoding, strategy, value); err == nil {
				return decoded, nil
			}
		}
		return value, nil
	}
	return nil, faultf("decodingStrategy", "decoding strategy %s is not supported; use Auto, Base64, Base64URL or None", name(string(strategy)))
}

func decodeBase64(encoding *base64.Encoding, strategy eso.DecodingStrategy, value []byte) ([]byte, error) {
	decoded := make([]byte, encoding.DecodedLen(len(value)))
	n, err := encoding.Decode(decoded, value)
	if err != nil {
		return nil, faultf("decodingStrategy", "error applying decoding strategy %s to data: %s", strategy, err)
	}
	return decoded[:n], nil
}

// finish decodes a fetched value and checks it for null bytes.
func finish(s eso.Strategies, value []byte) ([]byte, error) {
	decoded, err := decode(s.DecodingStrategy, value)
	if err != nil {
		return nil, err
	}
	if s.NullBytePolicy == eso.NullByteFail && bytes.IndexByte(decoded, 0) >= 0 {
		return nil, faultf("nullBytePolicy", "the value holds a null byte, which nullBytePolicy Fail refuses")
	}
	return decoded, nil
}
