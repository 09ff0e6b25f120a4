import type { RootTunnels } from '../network/broker/ports.ts'
import type { Answers, Argument, Verb } from './verbs.ts'

/** What the daemon may ask of the root helper. Every verb is a statement of how it is to be: said twice, it is the same. */
export interface HostPort extends RootTunnels {
  /** True where taps and firewall keep tenants apart. */
  readonly isolates: boolean
  /** Ends what outsiders have open to port 22 of the VM. No-op for a VM without a tap. */
  cutConnections(vm: { installation: string; tokenId: bigint | string }): Promise<void>
  setTaps(argument: Argument<'setTaps'>): Promise<Answers['setTaps']>
  setFirewall(argument: Argument<'setFirewall'>): Promise<void>
  tryNetwork(argument: Argument<'tryNetwork'>): Promise<Answers['tryNetwork']>
  confirmNetwork(argument: Argument<'confirmNetwork'>): Promise<void>
  restartUnit(argument: Argument<'restartUnit'>): Promise<void>
  setWasm(argument: Argument<'setWasm'>): Promise<void>
  startUpdate(): Promise<void>
  factoryReset(argument: Argument<'factoryReset'>): Promise<void>
}

/** How a verb reaches the helper. */
export type Call = <V extends Verb>(verb: V, argument: unknown) => Promise<Answers[V]>
