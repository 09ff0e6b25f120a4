import { createHash, X509Certificate } from 'node:crypto'
import { mkdir, readdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { IssuedCertificate } from './acme.ts'
import type { CertificateFiles } from './site-file.ts'

/** A certificate that lies in the folder. Times are Unix seconds. */
export interface KnownCertificate {
  /** SHA-256 as browsers show it. */
  fingerprint: string
  names: readonly string[]
  from: number
  until: number
  /** Who asked for it: `acme <directory>` or `own-ca`. */
  source: string
}

/** The certificates of this host as files: the present one, the next one while it is announced. */
export interface CertificateStore {
  present(): Promise<KnownCertificate | undefined>
  next(): Promise<KnownCertificate | undefined>
  /** Lays down the next one; the present one stays in use. */
  keepNext(issued: IssuedCertificate, source: string): Promise<KnownCertificate>
  /** The next one becomes the present one, both files at once. No-op where there is no next one. */
  switchOver(): Promise<void>
  /** None is in use and none is announced any more; the key goes, too. */
  discard(): Promise<void>
  /** Where Caddy finds the present one. */
  files: CertificateFiles
}

const fingerprintOf = (raw: Buffer): string =>
  createHash('sha256').update(raw).digest('hex').toUpperCase().match(/../g)?.join(':') ?? ''

/**
 * Certificate and key lie together in a folder of their own, and a link names the one in use: whoever reads follows one link
 * and never gets a certificate with another's key. Keys are of mode 0640: the group is the daemon's, and Caddy is in it.
 */
export function createCertificateStore(folder: string): CertificateStore {
  const read = async (link: 'site' | 'next'): Promise<KnownCertificate | undefined> => {
    const place = join(folder, link)
    const [pem, source] = await Promise.all(
      ['certificate.pem', 'source'].map((file) => readFile(join(place, file), 'utf8').catch(() => undefined)),
    )
    if (pem === undefined || source === undefined) return undefined
    const certificate = new X509Certificate(pem)
    return {
      fingerprint: fingerprintOf(certificate.raw),
      names: (certificate.subjectAltName ?? '').split(', ').map((name) => name.replace(/^(DNS|IP Address):/, '')),
      from: Math.floor(Date.parse(certificate.validFrom) / 1000),
      until: Math.floor(Date.parse(certificate.validTo) / 1000),
      source,
    }
  }

  async function pointAt(link: 'site' | 'next', target: string): Promise<void> {
    const beside = join(folder, `.${link}.new`)
    await rm(beside, { force: true })
    await symlink(target, beside)
    await rename(beside, join(folder, link))
  }

  /** Those that no link names any more. */
  async function tidy(): Promise<void> {
    const named = await Promise.all(['site', 'next'].map((link) => readlink(join(folder, link)).catch(() => undefined)))
    for (const entry of await readdir(folder)) {
      if (entry.startsWith('issued-') && !named.includes(entry)) await rm(join(folder, entry), { recursive: true, force: true })
    }
  }

  return {
    present: () => read('site'),
    next: () => read('next'),
    files: { certificate: join(folder, 'site/certificate.pem'), key: join(folder, 'site/key.pem') },
    async keepNext(issued, source) {
      const name = `issued-${fingerprintOf(new X509Certificate(issued.certificate).raw).replaceAll(':', '').slice(0, 16)}`
      const place = join(folder, name)
      await mkdir(place, { recursive: true, mode: 0o750 })
      await writeFile(join(place, 'key.pem'), issued.key, { mode: 0o640, flush: true })
      await writeFile(join(place, 'certificate.pem'), issued.certificate, { mode: 0o640, flush: true })
      await writeFile(join(place, 'source'), source, { mode: 0o640, flush: true })
      await pointAt('next', name)
      const kept = await read('next')
      if (kept === undefined) throw new Error('what was just written is not there')
      return kept
    },
    async switchOver() {
      const target = await readlink(join(folder, 'next')).catch(() => undefined)
      if (target === undefined) return
      await pointAt('site', target)
      await rm(join(folder, 'next'), { force: true })
      await tidy()
    },
    async discard() {
      for (const link of ['next', 'site']) await rm(join(folder, link), { force: true })
      await tidy()
    },
  }
}
