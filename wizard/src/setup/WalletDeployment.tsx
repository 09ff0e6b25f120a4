'use client'
import { toQuantity } from 'ethers'
import { useState } from 'react'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Notice } from '../ui/Notice.tsx'
import { usePress } from '../ui/use-press.ts'
import { walletFailure } from '../wallet/wallet-errors.ts'
import { WalletBox } from '../wallet/WalletBox.tsx'
import { useWallets, type ConnectedWallet } from '../wallet/wallet-context.tsx'
import { setupApi, type WizardView } from './resources.ts'

/** The deployment waits for the operator's wallet: the owner's key is never on the host. A reload asks again, and brings no second contract. */
export function WalletDeployment({ request }: { request: NonNullable<WizardView['wallet']> }) {
  const { t } = useTexts()
  const { current } = useWallets()
  const { busy, error, press } = usePress()
  const [sent, setSent] = useState<string>()

  const sign = (by: ConnectedWallet) =>
    press(async () => {
      try {
        await deploy(by)
      } catch (e) {
        // what the host says is told as it is; all else came from the wallet
        throw e instanceof Error && 'problem' in e ? e : walletFailure(e)
      }
    })

  async function deploy({ provider, address, chainId }: ConnectedWallet) {
    if (chainId !== request.chainId) {
      await provider.request({ method: 'wallet_switchEthereumChain', params: [{ chainId: toQuantity(request.chainId) }] })
    }
    const hash = (await provider.request({
      method: 'eth_sendTransaction',
      params: [{ from: address, data: request.data, ...(request.to !== null && { to: request.to }) }],
    })) as string
    setSent(hash)
    await setupApi.walletSent(hash)
  }

  return (
    <Notice tone="info" title={t('setup.deploy.title')} live>
      <p>{t('setup.deploy.text')}</p>
      <WalletBox />
      {sent !== undefined && <p className="font-mono text-sm break-all">{t('setup.deploy.sent', { hash: sent })}</p>}
      {error !== undefined && <ErrorBox error={error} focus />}
      <Button
        onClick={() => current !== undefined && sign(current)}
        busy={busy ? t('setup.deploy.waiting') : undefined}
        disabledReason={current === undefined ? t('setup.deploy.noWallet') : undefined}
      >
        {t('setup.deploy.sign')}
      </Button>
    </Notice>
  )
}
