import { execFile } from 'node:child_process'
import { mkdir, open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Cidr } from 'wireguard-ts/address'
import type { Clock } from '../../clock/clock.ts'
import { AppError } from '../../errors/app-error.ts'
import type { NameServer } from '../broker.ts'
import { textOf, type BrokerDatabase } from '../store/database.ts'
import type { NameBook } from './name-book.ts'
import { forwardZone, reverseOrigin, reverseZone, type ZoneFacts } from './zone-text.ts'

const run = promisify(execFile)

/** Where Knot DNS works. */
export interface KnotPlace {
  /** Zone files, written by the broker and read by knotd. */
  zoneFolder: string
  /** knotd's own journal and timers. */
  stateFolder: string
  runFolder: string
  /** `address@port`, each over UDP and TCP. */
  listen: readonly string[]
  user?: string
}

/**
 * knotd's configuration. Answers are limited by source (an open authoritative server is an amplifier otherwise); no transfers, no
 * updates, no name of the software. Pure.
 */
export function knotConfig(place: KnotPlace, zone: string, pool: Cidr): string {
  return [
    'server:',
    `    rundir: "${place.runFolder}"`,
    ...(place.user === undefined ? [] : [`    user: ${place.user}`]),
    ...place.listen.map((one) => `    listen: ${one}`),
    '    version: ""',
    '    identity: ""',
    'control:',
    '    listen: "knot.sock"',
    'log:',
    '  - target: stderr',
    '    any: warning',
    'database:',
    `    storage: "${place.stateFolder}"`,
    'mod-rrl:',
    '  - id: default',
    '    rate-limit: 200',
    '    slip: 2',
    'template:',
    '  - id: default',
    `    storage: "${place.zoneFolder}"`,
    '    file: "%s.zone"',
    '    zonefile-load: whole',
    '    zonefile-sync: -1',
    '    journal-content: none',
    '    semantic-checks: on',
    '    global-module: mod-rrl/default',
    'zone:',
    `  - domain: ${zone}`,
    `  - domain: ${reverseOrigin(pool)}`,
    '',
  ].join('\n')
}

export interface KnotOptions {
  place: KnotPlace
  facts: Omit<ZoneFacts, 'serial'>
  pool: Cidr
  names: NameBook
  db: BrokerDatabase
  clock: Clock
}

/** Names served by Knot DNS from zone files. knotd reads them by itself at its start: the broker need not be there. */
export class KnotNames implements NameServer {
  readonly #options: KnotOptions
  #last: string | undefined

  constructor(options: KnotOptions) {
    this.#options = options
  }

  /** Writes both zones if anything differs and has them loaded. Throws `broker-dns-failed`. */
  async publish(): Promise<void> {
    const { facts, pool, names, clock } = this.#options
    const served = names.served()
    const challenges = names.challenges(clock.now())
    const unchanged = JSON.stringify([served, challenges])
    if (unchanged === this.#last) return
    const serial = this.#nextSerial()
    await mkdir(this.#options.place.zoneFolder, { recursive: true })
    await this.#write(facts.zone, forwardZone({ ...facts, serial }, served, challenges))
    await this.#write(reverseOrigin(pool), reverseZone({ ...facts, serial }, pool, served))
    await this.#reload([facts.zone, reverseOrigin(pool)])
    this.#last = unchanged
  }

  async #reload(zones: readonly string[]): Promise<void> {
    const socket = join(this.#options.place.runFolder, 'knot.sock')
    try {
      await run('knotc', ['--socket', socket, '--timeout', '10', '--blocking', 'zone-reload', ...zones], { timeout: 15_000 })
    } catch (cause) {
      throw new AppError({ code: 'broker-dns-failed', detail: 'knotd did not load the zones.', cause })
    }
  }

  /** Atomic: knotd never reads half a zone. */
  async #write(zone: string, text: string): Promise<void> {
    const path = join(this.#options.place.zoneFolder, `${zone}.zone`)
    const file = await open(`${path}.new`, 'w', 0o644)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(`${path}.new`, path)
  }

  /** Rises always, also where the clock was set back. */
  #nextSerial(): number {
    const { db, clock } = this.#options
    const row = db.one("SELECT value FROM settings WHERE name = 'zone-serial'")
    const serial = Math.max(clock.now(), row === undefined ? 0 : Number(textOf(row['value'])) + 1)
    db.run("INSERT OR REPLACE INTO settings VALUES ('zone-serial', ?)", String(serial))
    return serial
  }
}
