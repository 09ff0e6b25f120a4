import { AbstractSigner, type Provider, type Signer, type TransactionRequest } from 'ethers'
import type { ProvisionerKey } from '../chain/provisioner-key.ts'
import { AppError } from '../errors/app-error.ts'

/** A key of the host as an ethers signer that signs transactions and nothing else. */
export class KeySigner extends AbstractSigner {
  readonly #key: ProvisionerKey

  constructor(key: ProvisionerKey, provider: Provider | null) {
    super(provider)
    this.#key = key
  }

  getAddress(): Promise<string> {
    return Promise.resolve(this.#key.address)
  }

  connect(provider: Provider | null): Signer {
    return new KeySigner(this.#key, provider)
  }

  override async signTransaction(request: TransactionRequest): Promise<string> {
    // ethers hands over a Transaction, whose fields are getters: it is passed on whole
    return await this.#key.sign(request as Parameters<ProvisionerKey['sign']>[0])
  }

  signMessage(): Promise<string> {
    return Promise.reject(new AppError({ code: 'not-supported', detail: 'Keys of the host sign transactions only.' }))
  }

  signTypedData(): Promise<string> {
    return Promise.reject(new AppError({ code: 'not-supported', detail: 'Keys of the host sign transactions only.' }))
  }
}
