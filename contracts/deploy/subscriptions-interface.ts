import { Interface, type InterfaceAbi } from 'ethers'
import artifact from './subscriptions-artifact.json' with { type: 'json' }

/** The ABI of `Subscriptions`, as built. */
export const subscriptionsInterface = new Interface(artifact.abi as InterfaceAbi)

/** Its creation code, without constructor arguments. */
export const subscriptionsBytecode = artifact.bytecode
