'use client'
import { useHost } from '../api/host-context.tsx'
import { useTexts } from '../i18n/text-context.tsx'
import { SignElsewhere } from '../sign-in/SignElsewhere.tsx'
import { Button } from '../ui/Button.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { usePress } from '../ui/use-press.ts'
import { WalletBox } from '../wallet/WalletBox.tsx'
import { useWallets } from '../wallet/wallet-context.tsx'
import { useSession } from './session-context.tsx'

/** Sign in with the wallet, and why. */
export function SignInBox({ why }: { why: string }) {
  const { t } = useTexts()
  const { lost } = useHost()
  const { current: wallet } = useWallets()
  const { signIn, open, error: sessionError } = useSession()
  const { busy, error, press } = usePress()
  const go = (enter: () => Promise<void>) =>
    press(async () => {
      await enter()
    })
  const shown = error ?? sessionError
  return (
    <Card className="space-y-5">
      <div>
        <CardTitle>{t('session.title')}</CardTitle>
        <p className="mt-1">{why}</p>
        <p className="mt-1 text-soft">{t('session.text')}</p>
      </div>
      <WalletBox />
      {shown !== undefined && <ErrorBox error={shown} focus={error !== undefined} />}
      {wallet !== undefined && (
        <Button
          onClick={() => go(() => signIn(wallet))}
          busy={busy ? t('session.signing') : undefined}
          disabledReason={lost ? t('link.lost.reason') : undefined}
        >
          {t('session.signIn')}
        </Button>
      )}
      <SignElsewhere act="session" onApproved={(requestId) => go(() => open(requestId))} />
    </Card>
  )
}
