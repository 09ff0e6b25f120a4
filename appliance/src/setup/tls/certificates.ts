import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join } from 'node:path'
import type { Clock } from '../../clock/clock.ts'
import type { Config } from '../../config/schema.ts'
import { AppError, findAppError } from '../../errors/app-error.ts'
import { obtainByAcme } from './acme.ts'
import { createCertificateStore, type CertificateStore, type KnownCertificate } from './certificate-files.ts'
import { obtainFromOwnAuthority } from './own-authority.ts'
import { siteFile, type SiteFileOptions } from './site-file.ts'

/** What the certificate of a host is made by. */
export type TlsSubject = Pick<Config, 'origin' | 'tls' | 'listen'> & Partial<Pick<Config, 'wasm'>>

/** Caddy before everything, as far as this host changes it. */
export interface Front {
  httpPort?: number
  httpsPort?: number
  /** Caddy reads its configuration and certificates anew. */
  reload(): Promise<void>
  /** Resolves when the next certificate was announced long enough; default: after `announceSeconds`. Resolves when aborted. */
  announced?(signal: AbortSignal): Promise<void>
}

/** Proofs of names in the zone of a broker of public IPv6. */
export interface ZoneProofs {
  /** Why none can be laid down for a name now; undefined: it can. */
  missing(name: string): string | undefined
  lay(name: string, value: string): Promise<void>
}

export interface CertificatesOptions {
  stateFolder: string
  clock: Clock
  front: Front
  /** Undefined: no broker is asked now. */
  zoneProofs?(): ZoneProofs | undefined
  log(line: string, cause?: unknown): void
}

/** How the certificate stands, for issues and pages. */
export interface CertificateState {
  present: KnownCertificate | undefined
  next: KnownCertificate | undefined
  /** Why the last try brought none, in words for people. */
  trouble: string | null
}

/** The certificate of the public address: got, announced, switched to, renewed. The present one stays until another is there. */
export interface Certificates {
  store: CertificateStore
  /** True if the certificate in use is by these answers and not due for another. */
  isCurrent(subject: TlsSubject): Promise<boolean>
  /** Gets the next one, or finds it got already. Throws `certificate-refused`. */
  prepare(subject: TlsSubject, signal: AbortSignal): Promise<KnownCertificate>
  /** While this is pending, the next fingerprint stands on page and screen. */
  announced(signal: AbortSignal): Promise<void>
  /** From now on the next one is shown. Repeated it changes nothing. */
  switchTo(subject: TlsSubject): Promise<void>
  /** Whether the public address has a certificate besides the one of the first boot. */
  hasOwn(): Promise<boolean>
  /** The certificate of the first boot is shown again. Repeated it changes nothing. */
  giveUp(subject: TlsSubject): Promise<void>
  /** Caddy's configuration as it has to be; Caddy reads it anew if it was another. @param subject absent before setup. */
  writeSite(subject: TlsSubject | { listen: Config['listen'] }): Promise<void>
  /** Renews by itself until stopped. */
  keep(subject: TlsSubject): () => void
  state(): Promise<CertificateState>
}

/** How long the next fingerprint is told before browsers meet it. */
export const announceSeconds = 15

/** How often the date is looked at; a failed try waits as long. */
export const lookMs = 3_600_000

/** How often it is looked whether a broker serves the name by now. */
const waitMs = 10_000

const day = 86_400

/** Due when a third of its life is left. Pure. */
export function isDue({ from, until }: Pick<KnownCertificate, 'from' | 'until'>, now: number): boolean {
  return now >= until - (until - from) / 3
}

export function createCertificates({ stateFolder, clock, front, zoneProofs, log }: CertificatesOptions): Certificates {
  const folder = join(stateFolder, 'tls')
  const store = createCertificateStore(folder)
  let trouble: string | null = null
  let renewedAt = -day
  /** Known from `keep`: the product runs. */
  let setUp = false
  let turn: Promise<unknown> = Promise.resolve()
  /** The front has not read what was last written: it is told again at the next look. */
  let unread = false

  /** One at a time: setup and the renewal may meet. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = turn.then(work)
    turn = next.catch(() => undefined)
    return next
  }

  const isFor = (known: KnownCertificate | undefined, subject: TlsSubject): known is KnownCertificate =>
    known !== undefined &&
    known.source === sourceOf(subject) &&
    namesOf(subject).every((name) => known.names.includes(name)) &&
    !isDue(known, clock.now())

  /** Why a proof by a broker cannot be given now; undefined: it can, or none is wanted. */
  function waitsFor(subject: TlsSubject): string | undefined {
    if (!provenByBroker(subject)) return undefined
    const proofs = zoneProofs?.()
    if (proofs === undefined) return 'No broker of public IPv6 is asked by this host.'
    for (const name of namesOf(subject)) {
      const why = proofs.missing(name)
      if (why !== undefined) return why
    }
    return undefined
  }

  async function obtain(subject: TlsSubject, signal: AbortSignal): Promise<KnownCertificate> {
    const waiting = await store.next()
    // got before a kill: not asked for twice
    if (isFor(waiting, subject)) return waiting
    const { tls } = subject
    const names = namesOf(subject)
    try {
      const why = waitsFor(subject)
      if (why !== undefined) throw new AppError({ code: 'certificate-refused', detail: why })
      const issued =
        tls.kind === 'acme'
          ? await obtainByAcme({
              answer: tls,
              names,
              accountKeyFile: join(stateFolder, 'secrets/acme-account.key'),
              challenges: join(folder, 'challenges'),
              ...(provenByBroker(subject) && { layInZone: async (name, value) => await zoneProofs?.()?.lay(name, value) }),
              signal,
            })
          : await obtainFromOwnAuthority(
              { root: join(folder, 'authority/root.pem'), key: join(stateFolder, 'secrets/authority.key') },
              names,
              new Date(clock.now() * 1000),
            )
      trouble = null
      return await store.keepNext(issued, sourceOf(subject))
    } catch (error) {
      trouble = findAppError(error)?.detail ?? 'It could not be asked for.'
      throw error
    }
  }

  function siteOf(subject: TlsSubject | { listen: Config['listen'] }, withSite: boolean): string {
    const at = (path: string): string => (path.startsWith('/') ? path : join(stateFolder, path))
    const { api, web } = subject.listen
    const options: SiteFileOptions = {
      apiSocket: at(api),
      web: /^[0-9.]+:[0-9]+$/.test(web) ? web : `unix/${at(web)}`,
      firstBoot: { certificate: join(folder, 'first-boot.pem'), key: join(folder, 'first-boot.key') },
      challenges: join(folder, 'challenges'),
      authority: join(folder, 'authority'),
      ...(front.httpPort !== undefined && { httpPort: front.httpPort }),
      ...(front.httpsPort !== undefined && { httpsPort: front.httpsPort }),
      ...('origin' in subject && { origin: subject.origin }),
      ...(withSite && { site: store.files }),
      setUp,
      ...('origin' in subject && wasmSiteOf(subject)),
    }
    return siteFile(options)
  }

  const announced = (signal: AbortSignal): Promise<void> =>
    front.announced?.(signal) ?? clock.wait(announceSeconds * 1000, signal)

  async function writeSite(subject: TlsSubject | { listen: Config['listen'] }, always = false): Promise<void> {
    const present = 'tls' in subject && subject.tls.kind !== 'first-boot' ? await store.present() : undefined
    const text = siteOf(
      subject,
      present !== undefined && 'origin' in subject && namesOf(subject).every((name) => present.names.includes(name)),
    )
    const file = join(folder, 'Caddyfile')
    if (!always && !unread && text === (await readFile(file, 'utf8').catch(() => undefined))) return
    for (const place of [folder, join(folder, 'challenges'), join(folder, 'authority')]) {
      await mkdir(place, { recursive: true, mode: 0o750 })
    }
    await writeFile(`${file}.new`, text, { mode: 0o640, flush: true })
    unread = true
    await rename(`${file}.new`, file)
    await front.reload()
    unread = false
  }

  return {
    store,
    isCurrent: async (subject) => subject.tls.kind === 'first-boot' || isFor(await store.present(), subject),
    announced,
    prepare: (subject, signal) => inTurn(() => obtain(subject, signal)),
    switchTo: (subject) =>
      inTurn(async () => {
        await store.switchOver()
        await writeSite(subject, true)
      }),
    hasOwn: async () => (await store.present()) !== undefined,
    giveUp: ({ listen }) =>
      inTurn(async () => {
        // Caddy first: it must not look for files that are gone
        await writeSite({ listen })
        await store.discard()
      }),
    writeSite: (subject) => inTurn(() => writeSite(subject)),
    keep(subject) {
      setUp = true
      const stopping = new AbortController()
      const look = async (waiting: string | undefined): Promise<void> => {
        await inTurn(() => writeSite(subject))
        if (subject.tls.kind === 'first-boot' || isFor(await store.present(), subject)) return
        // an authority whose clock is far from ours must not be asked every hour
        if (clock.now() - renewedAt < day) return
        if (waiting !== undefined) return void (trouble = waiting)
        const first = (await store.present()) === undefined
        const next = await inTurn(() => obtain(subject, stopping.signal))
        renewedAt = clock.now()
        // what browsers saw until now was the one of the first boot: people compare (W14)
        if (first) await announced(stopping.signal)
        if (stopping.signal.aborted) return
        log(`the certificate of ${nameOf(subject)} changes to SHA-256 ${next.fingerprint}`)
        await inTurn(async () => {
          await store.switchOver()
          await writeSite(subject, true)
        })
      }
      void (async () => {
        while (!stopping.signal.aborted) {
          const waiting = waitsFor(subject)
          await look(waiting).catch((error: unknown) => {
            if (!stopping.signal.aborted) log('the certificate could not be renewed; the present one stays', error)
          })
          await clock.wait(waiting === undefined ? lookMs : waitMs, stopping.signal)
        }
      })()
      return () => stopping.abort()
    },
    async state() {
      const [present, next] = await Promise.all([store.present(), store.next()])
      return { present, next, trouble }
    },
  }
}

function nameOf({ origin }: Pick<Config, 'origin'>): string {
  return new URL(origin).hostname.replaceAll(/[[\]]/g, '')
}

/** Whether the name is proven in the zone of a broker, which nobody asks before the product runs. */
export function provenByBroker({ tls }: Pick<Config, 'tls'>): boolean {
  return tls.kind === 'acme' && tls.proof === 'broker'
}

/** What the certificate has to name: the host itself, and WASM hosting where it is on. */
export function namesOf(subject: TlsSubject): [string, ...string[]] {
  const { wasm } = wasmSiteOf(subject)
  return wasm === undefined ? [nameOf(subject)] : [nameOf(subject), wasm.name]
}

/** Where freehold-wasmd listens by its defaults, which are what setup writes (design §4). */
const wasmUpstream = '127.0.0.1:8430'

/** A host that is known by an address alone has no name to put `wasm.` before: it names one in `wasm.url`. */
function wasmSiteOf(subject: TlsSubject): { wasm?: { name: string; upstream: string } } {
  const { wasm } = subject
  if (wasm?.enabled !== true) return {}
  const own = nameOf(subject)
  const name = wasm.url === undefined ? `wasm.${own}` : new URL(wasm.url).hostname
  return isIP(own) !== 0 && wasm.url === undefined ? {} : { wasm: { name, upstream: wasmUpstream } }
}

function sourceOf({ tls }: Pick<Config, 'tls'>): string {
  if (tls.kind === 'first-boot')
    throw new AppError({ code: 'not-supported', detail: 'The first certificate is asked for of nobody.' })
  return tls.kind === 'acme' ? `acme ${tls.directory}` : tls.kind
}
