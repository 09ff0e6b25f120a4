import type { Signer } from 'ethers'
import type { Backups } from '../backup/backups.ts'
import type { Address } from '../chain/subscription.ts'
import type { Config } from '../config/schema.ts'
import type { HostPort } from '../host/port.ts'
import type { Hypervisor } from '../hypervisor/port.ts'
import type { BrokerClient } from '../network/broker/client.ts'
import type { Certificates } from './tls/certificates.ts'
import type { StepIo } from '../steps/step.ts'

/** Small facts that must survive a kill, such as the salt of a deployment. Values are JSON. */
export interface Journal {
  get(key: string): Promise<unknown>
  put(key: string, value: unknown): Promise<void>
}

/** What the place of installation brings: a development host funds keys by itself, a real one waits for the operator. */
export interface SetupHooks {
  /** Builds or finds the guest image when the answers name none. */
  buildTemplate?(io: StepIo): Promise<{ path: string; sha256: string }>
  /** Gives funds to an address of the local development chain. */
  fund?(address: string): Promise<void>
  /** Deploys the development token and returns its address; answers may name it `dev-token`. */
  devToken?(deployer: Signer): Promise<Address>
}

/** What the steps of setup work on. The answers are those of one file; what steps find out is kept in the journal. */
export interface SetupContext {
  answers: Config
  /** The guests' login port is held by this very host, which is set up once more. */
  ownLoginPort: boolean
  stateFolder: string
  secretsFolder: string
  journal: Journal
  hooks: SetupHooks
  /** The root helper, on an installed host. */
  host?: HostPort
  /** The running product's client of IPv6 brokers. */
  publicIpv6?(): BrokerClient | undefined
  /** The sealed backups of the running product. */
  backups?(): Backups | undefined
  /** Of the public address, on an installed host. */
  certificates?: Pick<Certificates, 'isCurrent' | 'prepare' | 'announced' | 'switchTo' | 'hasOwn' | 'giveUp'>
  hypervisor(): Promise<Hypervisor>
  /** Writes the finished configuration; the daemon starts the product from it. */
  writeConfig(config: Config): Promise<void>
  readConfig(): Promise<Config | undefined>
  /** The same as text, unread. */
  configText(): Promise<string | undefined>
  /** Puts back what was there before; null: nothing was. The product that ran by it runs again. */
  restoreConfig(before: string | null): Promise<void>
  /** Whether a configuration has WASM hosting on. */
  wasEnabled(config: string): boolean
  /** Removes the storage of these answers if setup made it and nothing lies there. True: it is gone. */
  discardStorage(): Promise<boolean>
  /** Starts the product from it. Throws what keeps it from starting. */
  open(config: Config): Promise<void>
  /** Ends it, and tries no more. May be called where it never started. */
  close(): Promise<void>
  /** Whether pages and API of the product answer in place of those of setup. */
  handedOver(): Promise<boolean>
  /** The code and everybody whom it let in are out; from here on the wallet of pass 0 is the operator. */
  handOver(): Promise<void>
}
