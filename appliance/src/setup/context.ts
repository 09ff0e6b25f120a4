import type { Signer } from 'ethers'
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
  /** Of the public address, on an installed host. */
  certificates?: Pick<Certificates, 'isCurrent' | 'prepare' | 'announced' | 'switchTo'>
  hypervisor(): Promise<Hypervisor>
  /** Writes the finished configuration; the daemon starts the product from it. */
  writeConfig(config: Config): Promise<void>
  readConfig(): Promise<Config | undefined>
  /** Starts the product from it. Throws what keeps it from starting. */
  open(config: Config): Promise<void>
}
