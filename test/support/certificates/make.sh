#!/bin/sh
# Makes the certificates of the tests anew, for a hundred years. Only tests may trust them: the keys of the root and of
# the issuers are thrown away, and all of the others have the one in acme.key. Each file is a chain as a server sends it.
#
#   authority.crt       the root that tests trust
#   acme.crt            mx1, mx2 and mta-sts.acme.example, by an issuer under the root
#   expired.crt         the same, but it expired yesterday
#   expired-issuer.crt  the same, but its issuer expired yesterday
#   forged.crt          says that it is by the issuer, but another key signed it
#   misnamed.crt        the issuer's key signed it under another name
#   below.crt           by the certificate of acme.crt, which is no issuer
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
ec='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
ca='basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n'
names='subjectAltName=DNS:mx1.acme.example,DNS:mx2.acme.example,DNS:mta-sts.acme.example\n'

root() { # FILE SUBJECT: a self-signed authority, with a key of its own unless there is one
  [ -e "$1.key" ] && with="-key $1.key" || with="$ec -keyout $1.key"
  openssl req -x509 $with -days 36500 -subj "/CN=$2" -out "$1.crt" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
}

sign() { # REQUEST OUT DAYS EXTENSIONS ISSUER ISSUER-KEY
  printf "$4" > "$work/extensions"
  openssl x509 -req -in "$1.csr" -out "$2.crt" -days "$3" -extfile "$work/extensions" \
    -CA "$5.crt" -CAkey "$6.key" -set_serial "0x$(openssl rand -hex 16)"
}

cd "$work"
root authority 'Test authority'
openssl req $ec -subj '/CN=Test issuer' -keyout issuer.key -out issuer.csr
sign issuer issuer 36500 "$ca" authority authority
sign issuer expired-issuer -1 "$ca" authority authority
root forger 'Test issuer'
cp issuer.key other.key
root other 'Other issuer'

openssl req $ec -subj '/CN=mx1.acme.example' -keyout acme.key -out acme.csr
sign acme leaf 36500 "$names" issuer issuer
sign acme expired-leaf -1 "$names" issuer issuer
sign acme forged-leaf 36500 "${names}authorityKeyIdentifier=none\n" forger forger
sign acme misnamed-leaf 36500 "$names" other other
sign acme below-leaf 36500 "$names" leaf acme
cd - > /dev/null

chain() { # OUT CERTIFICATE...
  out=$1
  shift
  for each; do cat "$work/$each.crt"; done > "$out.crt"
}
chain authority authority
chain acme leaf issuer
chain expired expired-leaf issuer
chain expired-issuer leaf expired-issuer
chain forged forged-leaf issuer
chain misnamed misnamed-leaf issuer
chain below below-leaf leaf
cp "$work/acme.key" acme.key
chmod 644 acme.key
