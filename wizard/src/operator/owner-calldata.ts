import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'

/** A plan as the contract takes it. Amounts in the token's smallest unit per day. */
export interface NewPlan {
  name: string
  vcpus: number
  memoryMiB: number
  diskGiB: number
  graceSeconds: number
  activationDeadlineSeconds: number
  minSeconds: number
  maxSeconds: number
  capacity: number
  prices: readonly { token: string; perDay: bigint }[]
}

/** Calldata of what the owner's wallet signs. */
export const ownerCalldata = {
  setCapacity: (planId: number, capacity: number) => subscriptionsInterface.encodeFunctionData('setCapacity', [planId, capacity]),
  setOpen: (planId: number, open: boolean) => subscriptionsInterface.encodeFunctionData('setOpen', [planId, open]),
  setPrice: (planId: number, token: string, perDay: bigint) =>
    subscriptionsInterface.encodeFunctionData('setPrice', [planId, token, perDay]),
  addPlan: ({ prices, ...plan }: NewPlan) =>
    subscriptionsInterface.encodeFunctionData('addPlan', [{ plan: { ...plan, kind: 0, gasPerDay: 0n, open: true }, prices }]),
  setBuyingPaused: (paused: boolean) => subscriptionsInterface.encodeFunctionData('setBuyingPaused', [paused]),
  setProvisioner: (address: string) => subscriptionsInterface.encodeFunctionData('setProvisioner', [address]),
  collect: (token: string) => subscriptionsInterface.encodeFunctionData('collect', [token]),
}
