'use client'
import type { Approval, LoginRequestView } from '@freehold/appliance/api/schemas/sign-in'
import { signInText } from '@freehold/appliance/sign-in/sign-in-text'
import { useEffect } from 'react'
import { useHost } from '../api/host-context.tsx'
import { useResource } from '../api/use-resource.ts'
import { holderOf } from '../chain/contract.ts'
import { sameAddress, shortAddress } from '../format/address.ts'
import { clockLength } from '../format/time.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { Card } from '../ui/Card.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Notice } from '../ui/Notice.tsx'
import { WalletBox } from '../wallet/WalletBox.tsx'
import { usePress } from '../ui/use-press.ts'
import { useWallets, type ConnectedWallet } from '../wallet/wallet-context.tsx'
import { factsOf } from '@freehold/appliance/api/schemas/sign-in-facts'
import { actOf, isTerminalOnly } from './act-words.ts'
import { NotMe } from './NotMe.tsx'
import { Paste } from './Paste.tsx'
import { RequestFacts } from './RequestFacts.tsx'
import { approveWith } from './sign.ts'
import { TextToSign } from './TextToSign.tsx'
import { useSecondsLeft } from './use-seconds-left.ts'

interface ApproveProps {
  view: LoginRequestView
  onApproved(approval: Approval): void
  /** The host or the wallet refused; undefined when the next try begins. */
  onFailed(error: unknown): void
  onDenied(): void
  onExpired(): void
}

/** A waiting request: its facts, the text, the two answers (A1–A5, A8, A9). */
export function Approve({ view, onApproved, onFailed, onDenied, onExpired }: ApproveProps) {
  const { t } = useTexts()
  const { lost } = useHost()
  const { current: wallet } = useWallets()
  const left = useSecondsLeft(view)
  const { at, error, press } = usePress<'wallet' | 'sending'>(onFailed)
  useEffect(() => {
    if (left === 0) onExpired()
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- only the clock ends it
  }, [left])
  const { contract, tokenId } = view
  const { data: holder } = useResource(
    contract === null || tokenId === null ? null : `holder ${contract} ${tokenId}`,
    () => holderOf(contract ?? '', tokenId ?? ''),
    10_000,
  )
  const otherOrigin = new URL(view.origin).origin !== location.origin
  const otherWallet = wallet !== undefined && holder !== undefined && !sameAddress(wallet.address, holder)
  const act = actOf(view)
  const promise = act === 'shell' || act === 'session' ? 'signIn.promise' : (`signIn.promise.${act}` as const)
  const elsewhere = isTerminalOnly(act) ? 'signIn.elsewhere' : 'signIn.elsewhere.other'

  const approve = (by: ConnectedWallet) =>
    press(async (now) => onApproved(await approveWith(by, view, () => now('sending'))), 'wallet')

  if (otherOrigin) {
    return (
      <Notice tone="bad" title={t('signIn.otherOrigin.title')}>
        <p>{t('signIn.otherOrigin.text', { origin: view.origin })}</p>
      </Notice>
    )
  }
  return (
    <>
      <Card>
        <RequestFacts view={view} />
        <p className="tabular mt-4 font-medium">{t('signIn.left', { time: clockLength(left) })}</p>
      </Card>
      {!view.direct && (
        <Notice tone="warn" title={t(`${elsewhere}.title`)}>
          <p>{t(`${elsewhere}.text`, { source: view.source, browser: view.browserAddress })}</p>
        </Notice>
      )}
      <Card className="space-y-5">
        <WalletBox />
        {otherWallet && wallet !== undefined && holder !== undefined && (
          <Notice tone="warn" title={t('signIn.wrongWallet.title')} live>
            <p>{t('signIn.wrongWallet.text', { holder: shortAddress(holder), connected: shortAddress(wallet.address) })}</p>
          </Notice>
        )}
        {wallet !== undefined && <TextToSign text={signInText(factsOf(view, wallet.address))} />}
        <p className="font-medium">{t(promise)}</p>
        {error !== undefined && <ErrorBox error={error} focus />}
        <div className="flex flex-wrap items-start gap-3">
          {wallet !== undefined && (
            <Button
              onClick={() => approve(wallet)}
              busy={at === undefined ? undefined : t(at === 'sending' ? 'signIn.sending' : 'signIn.approving')}
              disabledReason={lost ? t('link.lost.reason') : otherWallet ? t('signIn.wrongWallet.title') : undefined}
            >
              {t('signIn.approve')}
            </Button>
          )}
          <NotMe view={view} onDenied={onDenied} />
        </div>
      </Card>
      <Paste view={view} onApproved={onApproved} onFailed={onFailed} />
    </>
  )
}
