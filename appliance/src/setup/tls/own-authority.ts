import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'
import type { IssuedCertificate } from './acme.ts'
import { algorithm, forNames, keepFiles, pemOf, serial, serverAuth } from './certificate-parts.ts'

const day = 86_400_000
const rootDays = 3650
/** What browsers take from an authority that a person installed is 825 days; ours are far below. */
const leafDays = 397

export interface AuthorityFiles {
  /** What people install, once per device. */
  root: string
  /** Mode 0600: whoever has it can be any site to these people. */
  key: string
}

/** Node's own keys; the library names them by the types of browsers. */
type Keys = Parameters<typeof X509CertificateGenerator.createSelfSigned>[0]['keys']

const engine = webcrypto as unknown as Parameters<typeof X509CertificateGenerator.createSelfSigned>[1]

/** Makes the authority of this host once; a later call finds it. The key is on disk before the root is. */
async function openAuthority(files: AuthorityFiles, now: Date): Promise<{ root: X509Certificate; key: webcrypto.CryptoKey }> {
  const root = await readFile(files.root, 'utf8').catch(() => undefined)
  if (root !== undefined) {
    const key = Buffer.from((await readFile(files.key, 'utf8')).replaceAll(/-----[A-Z ]+-----|\s/g, ''), 'base64')
    return { root: new X509Certificate(root), key: await webcrypto.subtle.importKey('pkcs8', key, algorithm, true, ['sign']) }
  }
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const notBefore = new Date(now.getTime() - day)
  const made = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serial(),
      name: `CN=Freehold ${serial().slice(0, 8)}`,
      notBefore,
      notAfter: new Date(notBefore.getTime() + rootDays * day),
      signingAlgorithm: algorithm,
      keys: keys as unknown as Keys,
      extensions: [
        // it vouches for names, never for other authorities
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      ],
    },
    engine,
  )
  await keepFiles(
    [
      [files.key, pemOf(keys.privateKey), 0o600],
      [files.root, `${made.toString('pem')}\n`, 0o644],
    ],
    0o750,
  )
  return { root: made, key: keys.privateKey }
}

/** A certificate for names or addresses from the host's own authority, which is made at the first call. */
export async function obtainFromOwnAuthority(
  files: AuthorityFiles,
  names: readonly string[],
  now: Date,
): Promise<IssuedCertificate> {
  const authority = await openAuthority(files, now)
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const notBefore = new Date(now.getTime() - day)
  const certificate = await X509CertificateGenerator.create(
    {
      serialNumber: serial(),
      subject: 'CN=Freehold host',
      issuer: authority.root.subject,
      notBefore,
      notAfter: new Date(notBefore.getTime() + leafDays * day),
      signingAlgorithm: algorithm,
      publicKey: keys.publicKey as unknown as Keys['publicKey'],
      signingKey: authority.key as unknown as Keys['privateKey'],
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([serverAuth], false),
        forNames(names),
      ],
    },
    engine,
  )
  return { certificate: `${certificate.toString('pem')}\n`, key: pemOf(keys.privateKey) }
}
