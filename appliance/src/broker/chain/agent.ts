import { setTimeout } from 'node:timers/promises'
import { brokerRegistryInterface } from '@freehold/contracts/broker-registry'
import { isError, JsonRpcProvider, Wallet } from 'ethers'
import { AppError } from '../../errors/app-error.ts'

/** A grant or a refusal, to be sent. */
export type ChainAnswer =
  | { requestId: bigint; kind: 'grant'; payload: Uint8Array }
  | { requestId: bigint; kind: 'refuse'; code: number }

/** The agent's key, at the one node that takes its transactions. Answers are sent one after another. */
export class Agent {
  readonly address: string
  readonly #wallet: Wallet
  readonly #provider: JsonRpcProvider
  readonly #registry: string
  readonly #timeoutMs: number
  /** Raised with every answer that was not mined in time: the next one takes the same nonce at a higher price. */
  #hurry = 0n

  constructor(options: { rpcUrl: string; chainId: number; registry: string; privateKey: string; timeoutMs?: number }) {
    this.#provider = new JsonRpcProvider(options.rpcUrl, options.chainId, {
      staticNetwork: true,
      cacheTimeout: -1,
      pollingInterval: 500,
    })
    this.#wallet = new Wallet(options.privateKey, this.#provider)
    this.#registry = options.registry
    this.#timeoutMs = options.timeoutMs ?? 120_000
    this.address = this.#wallet.address
  }

  /** Signs an answer of the HTTP path. */
  sign(text: string): Promise<string> {
    return this.#wallet.signMessage(text)
  }

  balance(): Promise<bigint> {
    return this.#provider.getBalance(this.address)
  }

  /**
   * Sends one answer and waits until it is mined. May be repeated: the contract takes one outcome per request, and the same nonce is
   * used until it is mined. Throws `no-funds`, `transaction-failed`, `timed-out`.
   */
  async answer(answer: ChainAnswer): Promise<void> {
    const data =
      answer.kind === 'grant'
        ? brokerRegistryInterface.encodeFunctionData('grant', [answer.requestId, answer.payload])
        : brokerRegistryInterface.encodeFunctionData('refuse', [answer.requestId, answer.code])
    try {
      const [nonce, fees] = await Promise.all([
        this.#provider.getTransactionCount(this.address, 'latest'),
        this.#provider.getFeeData(),
      ])
      const times = (wei: bigint | null): bigint | undefined =>
        wei === null ? undefined : (wei * (10n + 2n * this.#hurry)) / 10n
      const [maxFeePerGas, maxPriorityFeePerGas] = [times(fees.maxFeePerGas), times(fees.maxPriorityFeePerGas)]
      const sent = await this.#wallet.sendTransaction({
        to: this.#registry,
        data,
        nonce,
        ...(maxFeePerGas === undefined || maxPriorityFeePerGas === undefined ? {} : { maxFeePerGas, maxPriorityFeePerGas }),
      })
      const status = await this.#mined(sent.hash)
      if (status === undefined) {
        this.#hurry += 1n
        throw new AppError({ code: 'timed-out', detail: `The answer to request ${answer.requestId} is not mined yet.` })
      }
      if (status !== 1) throw new AppError({ code: 'transaction-failed', detail: `The answer ${sent.hash} was reverted.` })
      this.#hurry = 0n
    } catch (cause) {
      if (cause instanceof AppError) throw cause
      if (isError(cause, 'INSUFFICIENT_FUNDS')) {
        throw new AppError({ code: 'no-funds', detail: `The agent ${this.address} cannot pay for an answer.`, cause })
      }
      if (isError(cause, 'REPLACEMENT_UNDERPRICED')) {
        this.#hurry += 1n
        throw new AppError({ code: 'timed-out', detail: `The answer to request ${answer.requestId} is not mined yet.`, cause })
      }
      throw new AppError({
        code: 'transaction-failed',
        detail: `The answer to request ${answer.requestId} could not be sent.`,
        cause,
      })
    }
  }

  /** Status of the receipt; undefined: none in time. Asked for at once and then ever more rarely: the library looks twice a second. */
  async #mined(hash: string): Promise<number | undefined> {
    const end = performance.now() + this.#timeoutMs
    for (let pauseMs = 20; ; pauseMs = Math.min(1000, pauseMs * 1.5)) {
      const receipt = await this.#provider.getTransactionReceipt(hash)
      if (receipt !== null) return receipt.status ?? 0
      if (performance.now() >= end) return undefined
      await setTimeout(pauseMs)
    }
  }

  close(): void {
    this.#provider.destroy()
  }
}
