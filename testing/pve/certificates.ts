import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
  type X509Certificate,
} from '@peculiar/x509'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

/** A cluster's own authority. */
export interface Authority {
  pem: string
  issue(name: string, options?: { expired?: boolean }): Promise<{ key: string; cert: string }>
}

const day = 86_400_000

/** Makes an authority as a cluster does at its birth, to sign the leaf of each node. */
export async function createAuthority(): Promise<Authority> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const name = 'CN=Proxmox Virtual Environment, OU=stand-in, O=PVE Cluster Manager CA'
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name,
    notBefore: new Date(Date.now() - day),
    notAfter: new Date(Date.now() + 3650 * day),
    signingAlgorithm: algorithm,
    keys,
    extensions: [new BasicConstraintsExtension(true, undefined, true), new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true)],
  })
  return {
    pem: certificate.toString('pem'),
    issue: (node, options) => issue({ certificate, keys, name }, node, options?.expired ?? false),
  }
}

async function issue(
  authority: { certificate: X509Certificate; keys: webcrypto.CryptoKeyPair; name: string },
  node: string,
  expired: boolean,
): Promise<{ key: string; cert: string }> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const leaf = await X509CertificateGenerator.create({
    serialNumber: Buffer.from(webcrypto.getRandomValues(new Uint8Array(8))).toString('hex'),
    subject: `CN=${node}, OU=PVE Cluster Node, O=Proxmox Virtual Environment`,
    issuer: authority.name,
    notBefore: new Date(Date.now() - 2 * day),
    notAfter: new Date(Date.now() + (expired ? -day : 730 * day)),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey: authority.keys.privateKey,
    extensions: [
      new SubjectAlternativeNameExtension([
        { type: 'dns', value: node },
        { type: 'dns', value: 'localhost' },
        { type: 'ip', value: '127.0.0.1' },
      ]),
    ],
  })
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  const key = `-----BEGIN PRIVATE KEY-----\n${pkcs8.match(/.{1,64}/g)?.join('\n')}\n-----END PRIVATE KEY-----\n`
  return { key, cert: `${leaf.toString('pem')}\n${authority.certificate.toString('pem')}\n` }
}
