import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getAddress, keccak256, toUtf8Bytes } from 'ethers'
import { generateKeyPair } from 'wireguard-ts/key'
import type { Clock, UnixSeconds } from '../clock/clock.ts'
import { Book, type Asked } from './book.ts'
import { Broker } from './broker.ts'
import { FakeDataPath } from './fake/fake-data-path.ts'
import { parsePool } from './leases/pool.ts'
import { defaultTerms, type Terms } from './leases/terms.ts'
import type { BrokerRequest } from './requests/request.ts'
import { BrokerDatabase } from './store/database.ts'

export const day = 86_400
export const start = 1_800_000_000

/** A clock that stands until it is moved. */
export class StandingClock implements Clock {
  seconds: UnixSeconds = start
  now(): UnixSeconds {
    return this.seconds
  }
  monotonicMs(): number {
    return (this.seconds - start) * 1000
  }
  wait(): Promise<void> {
    return Promise.resolve()
  }
}

export const brokerKey = generateKeyPair().publicKey

export function contractOf(name: string): string {
  return getAddress(`0x${keccak256(toUtf8Bytes(name)).slice(2, 42)}`)
}

export interface TestBook {
  book: Book
  broker: Broker
  dataPath: FakeDataPath
  clock: StandingClock
  path: string
  /** What the chain says is the time of taking; undefined: it does not answer. */
  taking: { now: UnixSeconds | undefined | 'clock' }
  /** A request of a host named by one word, free and listed unless said otherwise. */
  ask(host: string, fields?: Partial<BrokerRequest>, asked?: Partial<Asked>): Asked
  /** Opens the same file again, as a new process would. */
  reopen(): TestBook
  close(): void
}

let sequence = 0
const keys = new Map<string, string>()

/** The WireGuard key of a host of the tests. */
export function keyOf(host: string): string {
  const key = keys.get(host) ?? generateKeyPair().publicKey
  keys.set(host, key)
  return key
}

export function testBook(
  options: {
    pool?: string
    mode?: 'routed' | 'on-link'
    terms?: Partial<Terms>
    path?: string
    clock?: StandingClock
    dataPath?: FakeDataPath
    /** Goes with the last one that is closed. */
    folder?: string
  } = {},
): TestBook {
  const folder = options.path === undefined ? mkdtempSync(join(tmpdir(), 'broker-')) : options.folder
  const path = options.path ?? join(folder ?? '', 'broker.db')
  const clock = options.clock ?? new StandingClock()
  const db = new BrokerDatabase(path)
  let seed = 1n
  const book = new Book({
    db,
    pool: parsePool(options.pool ?? '2001:db8:b00::/48', options.mode ?? 'routed', true),
    terms: { ...defaultTerms, ...options.terms },
    random: (below) => (seed = (seed * 6_364_136_223_846_793_005n + 1n) & ((1n << 128n) - 1n)) % below,
    randomBytes: () => crypto.getRandomValues(new Uint8Array(8)),
  })
  const dataPath = options.dataPath ?? new FakeDataPath()
  const taking: TestBook['taking'] = { now: 'clock' }
  const broker = new Broker({
    book,
    dataPath,
    clock,
    contact: { wireguardKey: brokerKey, endpoint: '203.0.113.1:51820', address: '2001:db8:b00::1', mtu: 1420 },
    log: { info: () => undefined, error: () => undefined },
    takingTime: () => Promise.resolve(taking.now === 'clock' ? clock.now() : taking.now),
  })
  return {
    book,
    broker,
    dataPath,
    clock,
    path,
    taking,
    ask(host, fields = {}, asked = {}) {
      sequence += 1
      return {
        request: {
          v: 1,
          verb: 'request',
          broker: brokerKey,
          chainId: 31_337,
          contract: contractOf(host),
          wireguardKey: keyOf(host),
          sequence,
          issuedAt: clock.now(),
          expiresAt: clock.now() + 300,
          ...fields,
        },
        paid: false,
        listed: true,
        source: { kind: 'http' },
        settled: true,
        ...asked,
      }
    },
    reopen() {
      db.close()
      return testBook({ ...options, path, clock, dataPath, ...(folder !== undefined && { folder }) })
    },
    close() {
      db.close()
      if (folder !== undefined) rmSync(folder, { recursive: true })
    },
  }
}
