import type { BrokerTrouble } from './client.ts'

/** Words of the issues that the broker client raises; the detail of the trouble stands in front. */
export const brokerIssueTexts: Record<
  BrokerTrouble['kind'],
  {
    severity: 'low' | 'medium' | 'high'
    title: string
    effect: string
    remedy: string
    visibleAfterSeconds: number
    hiddenBy: readonly string[]
  }
> = {
  'tunnel-down': {
    severity: 'high',
    title: 'No public IPv6',
    effect: 'VMs keep running and keep their private addresses; nobody reaches them by their public ones.',
    remedy:
      'Look whether UDP leaves this network. Freehold tries again by itself, looks the broker up again and takes another one if your limits allow it.',
    visibleAfterSeconds: 60,
    hiddenBy: [],
  },
  'broker-silent': {
    severity: 'medium',
    title: 'A broker does not answer',
    effect: 'VMs speak through another broker, if there is one; this prefix comes back when the broker does.',
    remedy: 'Nothing, or choose another broker. The status page of the broker may say more.',
    visibleAfterSeconds: 60,
    hiddenBy: ['tunnel-down'],
  },
  'broker-refused': {
    severity: 'medium',
    title: 'A broker gave no usable lease',
    effect: 'What stands goes on until its grace ends.',
    remedy: 'Read what was seen, then choose another broker or raise your limits.',
    visibleAfterSeconds: 0,
    hiddenBy: [],
  },
  'broker-unreachable': {
    severity: 'low',
    title: 'The list of brokers cannot be read',
    effect: 'Nothing changes: tunnels stand and are renewed with their brokers.',
    remedy: 'Look at the network node that serves the registry.',
    visibleAfterSeconds: 600,
    hiddenBy: [],
  },
}
