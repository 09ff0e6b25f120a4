'use client'
import { toQuantity } from 'ethers'
import { useState } from 'react'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Notice } from '../ui/Notice.tsx'
import { walletFailure } from '../wallet/wallet-errors.ts'
import { WalletBox } from '../wallet/WalletBox.tsx'
import { useWallets } from '../wallet/wallet-context.tsx'
import { setupApi, type WizardView } from './resources.ts'

/** The deployment waits for the operator's wallet: the owner's key is never on the host. A reload asks again, and brings no second contract. */
export function WalletDeployment({ request }: { request: NonNullable<WizardView['wallet']> }) {
  const { t } = useTexts()
  const { current } = useWallets()
  const [error, setError] = useState<unknown>()
  const [busy, setBusy] = useState(false)
  const [sent, setSent] = useState<string>()

  async function sign() {
    if (current === undefined) return
    setBusy(true)
    setError(undefined)
    try {
      if (current.chainId !== request.chainId) {
        await current.provider.request({
          method: 'wallet_switchEthereumChain',
          params: [{ chainId: toQuantity(request.chainId) }],
        })
      }
      const hash = (await current.provider.request({
        method: 'eth_sendTransaction',
        params: [{ from: current.address, data: request.data, ...(request.to !== null && { to: request.to }) }],
      })) as string
      setSent(hash)
      await setupApi.walletSent(hash)
    } catch (e) {
      // what the host says is told as it is; all else came from the wallet
      setError(e instanceof Error && 'problem' in e ? e : walletFailure(e))
    } finally {
      setBusy(false)
    }
  }

  return (
    <Notice tone="info" title={t('setup.deploy.title')} live>
      <p>{t('setup.deploy.text')}</p>
      <WalletBox />
      {sent !== undefined && <p className="font-mono text-sm break-all">{t('setup.deploy.sent', { hash: sent })}</p>}
      {error !== undefined && <ErrorBox error={error} focus />}
      <Button
        onClick={() => void sign()}
        busy={busy ? t('setup.deploy.waiting') : undefined}
        disabledReason={current === undefined ? t('setup.deploy.noWallet') : undefined}
      >
        {t('setup.deploy.sign')}
      </Button>
    </Notice>
  )
}
