'use client'
import { useHost } from '../api/host-context.tsx'
import { useTexts } from '../i18n/text-context.tsx'
import { Address } from '../ui/Address.tsx'
import { Button } from '../ui/Button.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Notice } from '../ui/Notice.tsx'
import { usePress } from '../ui/use-press.ts'
import type { AnnouncedWallet } from './discovery.ts'
import { switchNetwork } from './network.ts'
import { OnPhone } from './OnPhone.tsx'
import { useWallets } from './wallet-context.tsx'

/** Choose, connect, and change wallets; the right network with one button (S2, S3). Where there is none, the way to one on a phone. */
export function WalletBox() {
  const { t } = useTexts()
  const { asked, found, current, connect, disconnect } = useWallets()
  const { at: waiting, error, press } = usePress()

  const choose = (wallet: AnnouncedWallet) => press(() => connect(wallet), wallet.name)

  if (current !== undefined) {
    return (
      <div className="space-y-3">
        <div className="flex flex-wrap items-center justify-between gap-3">
          <p className="flex flex-wrap items-center gap-2">
            <WalletIcon icon={current.icon} />
            <bdi className="font-medium">{current.name}</bdi>
            <Address value={current.address} what={t('wallet.address')} />
          </p>
          <Button look="quiet" onClick={disconnect}>
            {t('wallet.change')}
          </Button>
        </div>
        <NetworkSwitch />
      </div>
    )
  }
  if (!asked) return <div className="h-24" aria-hidden="true" />
  if (found.length === 0) {
    return (
      <Notice title={t('wallet.none.title')}>
        <p>{t('wallet.none.text')}</p>
        <OnPhone />
      </Notice>
    )
  }
  return (
    <div className="space-y-3">
      <p>
        <span className="font-medium">{t('wallet.choose.title')}</span>{' '}
        <span className="text-soft">{t('wallet.choose.text')}</span>
      </p>
      {error !== undefined && <ErrorBox error={error} focus />}
      <ul className="grid gap-2 sm:grid-cols-2">
        {found.map((wallet) => (
          <li key={wallet.uuid}>
            <Button
              look="secondary"
              wide
              onClick={() => choose(wallet)}
              busy={waiting === wallet.name ? t('wallet.connecting', { wallet: wallet.name }) : undefined}
            >
              <span className="flex items-center gap-3">
                <WalletIcon icon={wallet.icon} />
                <bdi>{wallet.name}</bdi>
              </span>
            </Button>
          </li>
        ))}
      </ul>
    </div>
  )
}

function WalletIcon({ icon }: { icon: string | null }) {
  // oxlint-disable-next-line nextjs/no-img-element -- a data: URI of the wallet; there is nothing to optimise
  return icon === null ? null : <img src={icon} alt="" width={24} height={24} className="size-6 rounded" />
}

/** Shown only while the wallet is on another network. */
export function NetworkSwitch() {
  const { t } = useTexts()
  const { current } = useWallets()
  const { status } = useHost()
  const { busy, error, press } = usePress()
  // 0: the host is not set up and has no network yet
  if (current === undefined || status === undefined || [0, current.chainId].includes(status.chain.chainId)) return null
  const { provider, name } = current
  const { chain } = status
  async function change() {
    press(async () => {
      await switchNetwork(provider, chain)
    })
  }
  return (
    <Notice tone="warn" live>
      <p>{t('wallet.wrongNetwork', { wallet: name, network: chain.name })}</p>
      {error !== undefined && <ErrorBox error={error} focus />}
      <Button onClick={() => void change()} busy={busy ? t('wallet.switching') : undefined}>
        {t('wallet.switch', { network: chain.name })}
      </Button>
    </Notice>
  )
}
