import 'reflect-metadata'
import { KeyObject, webcrypto } from 'node:crypto'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { dirname } from 'node:path'
import { SubjectAlternativeNameExtension } from '@peculiar/x509'

/** What all keys of this host's own certificates are. */
export const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

/** Of a certificate that proves a server. */
export const serverAuth = '1.3.6.1.5.5.7.3.1'

/** 128 random bits in hex: two certificates never share one. */
export const serial = (): string => Buffer.from(webcrypto.getRandomValues(new Uint8Array(16))).toString('hex')

/** A private key as PKCS #8 in PEM. */
export const pemOf = (key: webcrypto.CryptoKey): string => KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' }).toString()

/** Names and addresses that a certificate is for. */
export const forNames = (names: readonly string[]): SubjectAlternativeNameExtension =>
  new SubjectAlternativeNameExtension(
    names.map((name) => ({ type: isIP(name) === 0 ? ('dns' as const) : ('ip' as const), value: name })),
  )

/** Writes files one after the other, each whole or not at all: the key first, so that no certificate is there without it. */
export async function keepFiles(
  files: readonly (readonly [file: string, text: string, mode: number])[],
  folderMode: number,
): Promise<void> {
  for (const [file, text, mode] of files) {
    await mkdir(dirname(file), { recursive: true, mode: folderMode })
    await writeFile(`${file}.new`, text, { mode, flush: true })
    await rename(`${file}.new`, file)
  }
}
