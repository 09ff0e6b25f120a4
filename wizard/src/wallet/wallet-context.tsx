'use client'
import { createContext, use, useCallback, useEffect, useMemo, useState, type ReactNode } from 'react'
import { PageFailure } from '../api/failure.ts'
import { discoverWallets, type AnnouncedWallet, type Eip1193Provider } from './discovery.ts'
import { walletFailure } from './wallet-errors.ts'

/** The wallet that the person chose, with the account and network it shows us now. */
export interface ConnectedWallet {
  name: string
  icon: string | null
  rdns: string
  provider: Eip1193Provider
  /** With checksum. */
  address: string
  chainId: number
}

export interface Wallets {
  /** False until wallets have had their moment to announce themselves, and a remembered one to name its account. */
  asked: boolean
  found: readonly AnnouncedWallet[]
  current: ConnectedWallet | undefined
  /** Asks the wallet for an account. Throws PageFailure. Remembers the choice. */
  connect(wallet: AnnouncedWallet): Promise<ConnectedWallet>
  disconnect(): void
}

async function checksummed(address: string): Promise<string> {
  const { withChecksum } = await import('./checksum.ts')
  return withChecksum(address)
}

const WalletContext = createContext<Wallets | undefined>(undefined)
const memory = 'freehold-wallet'

async function connectionOf(
  wallet: AnnouncedWallet,
  method: 'eth_accounts' | 'eth_requestAccounts',
): Promise<ConnectedWallet | undefined> {
  const accounts = (await wallet.provider.request({ method })) as string[]
  const account = accounts[0]
  if (account === undefined) return undefined
  const chainId = Number(await wallet.provider.request({ method: 'eth_chainId' }))
  return {
    name: wallet.name,
    icon: wallet.icon,
    rdns: wallet.rdns,
    provider: wallet.provider,
    address: await checksummed(account),
    chainId,
  }
}

/** Finds the wallets in this browser and keeps the chosen one; takes it up again after a reload without asking (S2). */
export function WalletProvider({ children }: { children: ReactNode }) {
  const [found, setFound] = useState<readonly AnnouncedWallet[]>([])
  const [asked, setAsked] = useState(false)
  const [current, setCurrent] = useState<ConnectedWallet>()

  useEffect(() => {
    let silence: ReturnType<typeof setTimeout> | undefined
    // wallets answer within a moment; a remembered one is asked for its account first, so that no choice flickers by
    const settle = () => setAsked(true)
    const wait = (ms: number) => {
      clearTimeout(silence)
      silence = setTimeout(settle, ms)
    }
    wait(150)
    const stop = discoverWallets((wallet) => {
      setFound((list) => (list.some((w) => w.uuid === wallet.uuid) ? list : [...list, wallet]))
      if (localStorage.getItem(memory) !== wallet.rdns) return
      wait(2000)
      void connectionOf(wallet, 'eth_accounts')
        .then(
          (connection) => setCurrent((now) => now ?? connection),
          () => undefined,
        )
        .then(settle)
    })
    return () => {
      clearTimeout(silence)
      stop()
    }
  }, [])

  const provider = current?.provider
  useEffect(() => {
    if (provider === undefined) return undefined
    let told = 0
    const accounts = (value: unknown) => {
      const account = (value as string[])[0]
      const turn = (told += 1)
      if (account === undefined) return setCurrent(undefined)
      void checksummed(account).then(
        (address) => turn === told && setCurrent((now) => now && { ...now, address }),
        () => setCurrent(undefined),
      )
    }
    const chain = (value: unknown) => setCurrent((now) => now && { ...now, chainId: Number(value) })
    provider.on?.('accountsChanged', accounts)
    provider.on?.('chainChanged', chain)
    return () => {
      provider.removeListener?.('accountsChanged', accounts)
      provider.removeListener?.('chainChanged', chain)
    }
  }, [provider])

  const connect = useCallback(async (wallet: AnnouncedWallet) => {
    const connection = await connectionOf(wallet, 'eth_requestAccounts').catch((error: unknown) => {
      throw walletFailure(error)
    })
    if (connection === undefined) throw new PageFailure('wallet.noAccount', { wallet: wallet.name })
    localStorage.setItem(memory, wallet.rdns)
    setCurrent(connection)
    return connection
  }, [])
  const disconnect = useCallback(() => {
    localStorage.removeItem(memory)
    setCurrent(undefined)
  }, [])

  const wallets = useMemo(() => ({ asked, found, current, connect, disconnect }), [asked, found, current, connect, disconnect])
  return <WalletContext value={wallets}>{children}</WalletContext>
}

export function useWallets(): Wallets {
  const wallets = use(WalletContext)
  if (wallets === undefined) throw new TypeError('useWallets needs a WalletProvider above it')
  return wallets
}
