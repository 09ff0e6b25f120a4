import { getAddress, verifyMessage } from 'ethers'
import { AppError } from '../../errors/app-error.ts'
import type { Registry } from '../chain/registry.ts'
import { requestText, type BrokerRequest } from '../requests/request.ts'

/** The address that signed a request. Throws `broker-signature-invalid`. */
export function signerOf(text: string, signature: string): string {
  try {
    return getAddress(verifyMessage(text, signature))
  } catch (cause) {
    throw new AppError({ code: 'broker-signature-invalid', detail: 'The signature is none.', cause })
  }
}

/**
 * Who asks: the installation's provisioner or owner, at the giving depth. Returns whether the registry lists it. Throws
 * `broker-signature-invalid`, `bad-input`, and what the chain's reads throw: without the chain nobody is served, and nobody loses.
 */
export async function verifyAsker(
  registry: Registry,
  request: Pick<BrokerRequest, 'chainId' | 'contract'>,
  signer: string,
): Promise<{ listed: boolean }> {
  if (request.chainId !== registry.options.chainId) {
    const detail = `This broker serves chain ${registry.options.chainId}, not ${request.chainId}`
    throw new AppError({ code: 'bad-input', detail, fields: [{ pointer: '/request/chainId', detail }] })
  }
  const view = await registry.heads(2000)
  if (view.stale) throw new AppError({ code: 'chain-stale', detail: 'The chain that this broker sees stands still.' })
  const facts = await registry.installation(view, view.giving, request.contract)
  if (signer !== facts.provisioner && signer !== facts.owner) {
    const who =
      facts.provisioner === undefined ? `${request.contract} is no installation` : `the provisioner is ${facts.provisioner}`
    throw new AppError({ code: 'broker-signature-invalid', detail: `${signer} signed; ${who}.` })
  }
  return { listed: facts.listed }
}

/** The signer of a request, its text rebuilt from what was parsed: nothing else enters. */
export function signerOfRequest(request: BrokerRequest, signature: string): string {
  return signerOf(requestText(request), signature)
}
