import type { Page } from '@playwright/test'
import { answerAsWallet } from '@freehold/appliance/dev/wallet-answers'
import { isHexString, JsonRpcProvider, toQuantity, toUtf8String, Wallet } from 'ethers'

/** The little of a browser's `window` that is needed here; the root program knows no DOM. */
interface PageWindow extends EventTarget {
  testWalletAnswer(method: string, params: unknown[]): Promise<unknown>
}

/** What the person in front of the wallet does with the next questions. */
export type WalletMood = 'confirm' | 'decline' | 'locked'

/** A wallet that is a contract: it has an address, and signs by whatever its code accepts; it sends no payments here. */
export interface ContractAccount {
  address: string
  sign(text: string): Promise<string>
}

/** A wallet in the page, as an extension would be: it signs with its own keys and asks its own node. */
export interface TestWallet {
  /** Addresses of its accounts; the first is the chosen one. */
  addresses: string[]
  /** Every method that pages asked for, in order. */
  calls: { method: string; params: unknown[] }[]
  mood: WalletMood
  /** Shows the site another account, as a person would by a click in the extension. */
  choose(index: number): Promise<void>
  /** Network that the wallet is on now. */
  chainId: number
  close(): void
}

interface ProviderRefusal {
  refused: { code: number; message: string }
}

/**
 * Announces a wallet by EIP-6963 on every page of `page`. It refuses with 4001 in the mood `decline`, knows only the networks
 * in `knownChains` (4902 for others until they are added), and tells the page when account or network change.
 * @param options.startOn network it is on at first; default is the one of `rpcUrl`
 */
export async function injectWallet(
  page: Page,
  options: {
    rpcUrl: string
    keys: readonly string[]
    /** Accounts after those of the keys. */
    contracts?: readonly ContractAccount[]
    name?: string
    startOn?: number
    knowsNetwork?: boolean
  },
): Promise<TestWallet> {
  const node = new JsonRpcProvider(options.rpcUrl, undefined, { staticNetwork: true, pollingInterval: 100, cacheTimeout: -1 })
  const home = Number((await node.getNetwork()).chainId)
  const wallets = options.keys.map((key) => new Wallet(key, node))
  const contracts = options.contracts ?? []
  const addresses = [...wallets, ...contracts].map((w) => w.address)
  let chosen = 0
  const known = new Set(options.knowsNetwork === false ? [] : [home])
  const own = () => {
    const wallet = wallets[chosen]
    if (wallet === undefined) throw new TypeError('this account has no key that does this')
    return wallet
  }
  const ownAddress = () => {
    const address = addresses[chosen]
    if (address === undefined) throw new TypeError('the wallet has no such account')
    return address
  }
  const state: TestWallet = {
    addresses,
    calls: [],
    mood: 'confirm',
    chainId: options.startOn ?? home,
    async choose(index) {
      chosen = index
      await tell('accountsChanged', [ownAddress()])
    },
    close: () => node.destroy(),
  }
  const tell = async (event: string, value: unknown) => {
    await page.evaluate(
      ([e, v]) => (globalThis as unknown as PageWindow).dispatchEvent(new CustomEvent(`test-wallet:${String(e)}`, { detail: v })),
      [event, value] as const,
    )
  }
  const asksPerson = new Set([
    'eth_sendTransaction',
    'personal_sign',
    'eth_signTypedData_v4',
    'eth_requestAccounts',
    'wallet_switchEthereumChain',
    'wallet_addEthereumChain',
  ])

  async function answer(method: string, params: unknown[]): Promise<unknown> {
    state.calls.push({ method, params })
    const [first] = params
    const refuse = (code: number, message: string): ProviderRefusal => ({ refused: { code, message } })
    if (asksPerson.has(method) && state.mood === 'decline') return refuse(4001, 'User rejected the request.')
    if (asksPerson.has(method) && state.mood === 'locked') return refuse(4100, 'The wallet is locked.')
    switch (method) {
      case 'eth_accounts':
      case 'eth_requestAccounts':
        return [ownAddress()]
      case 'eth_chainId':
        return toQuantity(state.chainId)
      case 'personal_sign':
        if (chosen < wallets.length) return await answerAsWallet(own(), node, method, params)
        return await contracts[chosen - wallets.length]?.sign(isHexString(first) ? toUtf8String(first) : String(first))
      case 'eth_sendTransaction':
        if (state.chainId !== home) return refuse(4901, 'The wallet is on another network.')
        return await answerAsWallet(own(), node, method, params)
      case 'eth_signTypedData_v4':
        return await answerAsWallet(own(), node, method, params)
      case 'wallet_switchEthereumChain': {
        const chainId = Number((first as { chainId: string }).chainId)
        if (!known.has(chainId)) return refuse(4902, 'Unrecognized chain ID.')
        state.chainId = chainId
        await tell('chainChanged', toQuantity(chainId))
        return null
      }
      case 'wallet_addEthereumChain':
        known.add(Number((first as { chainId: string }).chainId))
        return null
      default:
        return await node.send(method, params)
    }
  }

  await page.exposeFunction('testWalletAnswer', answer)
  await page.addInitScript((name) => {
    type Listener = (value: unknown) => void
    const page = globalThis as unknown as PageWindow
    const listeners = new Map<string, Set<Listener>>()
    for (const event of ['accountsChanged', 'chainChanged']) {
      page.addEventListener(`test-wallet:${event}`, (e: Event) => {
        for (const listener of listeners.get(event) ?? []) listener((e as CustomEvent).detail)
      })
    }
    const provider = {
      async request({ method, params }: { method: string; params?: unknown[] }) {
        const result = await page.testWalletAnswer(method, params ?? [])
        const refused = (result as { refused?: { code: number; message: string } } | null)?.refused
        if (refused !== undefined) throw Object.assign(new Error(refused.message), { code: refused.code })
        return result
      },
      on: (event: string, listener: Listener) => void listeners.set(event, (listeners.get(event) ?? new Set()).add(listener)),
      removeListener: (event: string, listener: Listener) => void listeners.get(event)?.delete(listener),
    }
    const icon = `data:image/svg+xml,${encodeURIComponent('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><rect width="8" height="8" rx="2" fill="#5b4bc4"/></svg>')}`
    const info = { uuid: '00000000-0000-4000-8000-000000000001', name, rdns: 'org.example.test', icon }
    const announce = () =>
      page.dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail: Object.freeze({ info, provider }) }))
    page.addEventListener('eip6963:requestProvider', announce)
    announce()
  }, options.name ?? 'Test Wallet')
  return state
}
