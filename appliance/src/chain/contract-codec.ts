import type { Interface, Result } from 'ethers'
import { readStaticStructs, type StaticStruct } from './static-structs.ts'
import type { Address, Plan, Subscription } from './subscription.ts'

/** What the contract says of itself besides plans and subscriptions. */
export interface ContractFacts {
  nextTokenId: bigint
  planCount: number
  owner: Address
  treasury: Address
  provisioner: Address
  buyingPaused: boolean
  operator: Address
}

const states = [undefined, 'pending', 'active', 'ended'] as const

function subscription(installation: string, struct: StaticStruct): Subscription | undefined {
  const state = states[struct.number('state')]
  if (state === undefined) return undefined
  return {
    installation,
    tokenId: struct.bigint('tokenId'),
    planId: struct.number('planId'),
    state,
    holder: struct.address('holder'),
    buyer: struct.address('buyer'),
    boughtBlock: struct.number('boughtBlock'),
    boughtAt: struct.number('boughtAt'),
    token: struct.address('token'),
    seconds: struct.number('duration'),
    activationDeadline: struct.number('activationDeadline'),
    activatedAt: struct.number('activatedAt'),
    expiresAt: struct.number('expiresAt'),
    graceEndsAt: struct.number('graceEndsAt'),
    paid: struct.bigint('paid'),
    streamFrom: struct.number('streamFrom'),
    streamTo: struct.number('streamTo'),
    settled: struct.bigint('settled'),
  }
}

function plan(view: Result): Plan {
  const inner = view.getValue('plan') as Result
  const number = (name: string): number => Number(inner.getValue(name))
  return {
    planId: Number(view.getValue('planId')),
    name: String(inner.getValue('name')),
    kind: number('kind') === 0 ? 'vm' : 'wasm',
    vcpus: number('vcpus'),
    memoryMiB: number('memoryMiB'),
    diskGiB: number('diskGiB'),
    gasPerDay: BigInt(inner.getValue('gasPerDay')),
    graceSeconds: number('graceSeconds'),
    activationDeadlineSeconds: number('activationDeadlineSeconds'),
    minSeconds: number('minSeconds'),
    maxSeconds: number('maxSeconds'),
    capacity: number('capacity'),
    used: Number(view.getValue('used')),
    open: Boolean(inner.getValue('open')),
    prices: (view.getValue('prices') as Result).map((price: Result) => ({
      token: lower(price.getValue('token')),
      pricePerDay: BigInt(price.getValue('perDay')),
    })),
  }
}

function lower(value: unknown): Address {
  return String(value).toLowerCase() as Address
}

function word(value: number): string {
  return value.toString(16).padStart(64, '0')
}

/** The calls of ContractFacts, in order. */
const factCalls = ['nextTokenId', 'planCount', 'owner', 'treasury', 'provisioner', 'buyingPaused', 'ownerOf'] as const

/** Calls and answers of one `Subscriptions` contract. Decoding throws an error of any kind if the answer is not of that contract. */
export class ContractCodec {
  readonly #abi: Interface
  readonly #installation: string
  readonly #subscriptionsSelector: string

  constructor(abi: Interface, installation: string) {
    this.#abi = abi
    this.#installation = installation
    // four bytes, the same for any ids
    this.#subscriptionsSelector = abi.encodeFunctionData('subscriptions', [[]]).slice(0, 10)
  }

  encodeSubscriptions(ids: readonly bigint[]): string {
    // written out: an ABI coder takes 100 ms and 10,000 objects for 10,000 ids, at every block
    const words = ids.map((id) => id.toString(16).padStart(64, '0')).join('')
    return `${this.#subscriptionsSelector}${word(32)}${word(ids.length)}${words}`
  }

  /** Undefined where an id was never sold. */
  decodeSubscriptions(data: string): (Subscription | undefined)[] {
    const array = this.#abi.getFunction('subscriptions')?.outputs[0]
    if (array === undefined) throw new RangeError('the ABI has no subscriptions')
    return readStaticStructs(data, array).map((struct) => subscription(this.#installation, struct))
  }

  encodePlans(ids: readonly number[]): string {
    return this.#abi.encodeFunctionData('plans', [ids])
  }

  decodePlans(data: string): Plan[] {
    return (this.#abi.decodeFunctionResult('plans', data)[0] as Result).map((view: Result) => plan(view))
  }

  encodeFacts(): string[] {
    return factCalls.map((name) => this.#abi.encodeFunctionData(name, name === 'ownerOf' ? [0] : []))
  }

  decodeFacts(answers: readonly string[]): ContractFacts {
    const values = factCalls.map((name, i) => this.#abi.decodeFunctionResult(name, answers[i] ?? '0x')[0] as unknown)
    const [nextTokenId, planCount, owner, treasury, provisioner, buyingPaused, operator] = values
    return {
      nextTokenId: BigInt(nextTokenId as bigint),
      planCount: Number(planCount),
      owner: lower(owner),
      treasury: lower(treasury),
      provisioner: lower(provisioner),
      buyingPaused: Boolean(buyingPaused),
      operator: lower(operator),
    }
  }
}
