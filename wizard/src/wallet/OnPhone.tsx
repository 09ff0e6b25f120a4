'use client'
import { useSyncExternalStore } from 'react'
import { useTexts } from '../i18n/text-context.tsx'
import { QrCode } from '../ui/QrCode.tsx'
import { walletLinks } from './wallet-links.ts'

const never = () => () => undefined

/**
 * The way to a wallet that is on a phone (S14): there, a link into the browser of the wallet's app; elsewhere a QR code of this page.
 * Nothing where the page is one that only this machine can open.
 */
export function OnPhone() {
  const { t } = useTexts()
  const here = useSyncExternalStore(
    never,
    () => location.href,
    () => undefined,
  )
  const links = here === undefined ? [] : walletLinks(here)
  if (here === undefined || links.length === 0) return null
  return (
    <>
      <details className="pointer-coarse:hidden">
        <summary className="cursor-pointer font-medium">{t('wallet.none.phone')}</summary>
        <div className="mt-2">
          <QrCode text={here} label={t('wallet.qr')} />
        </div>
      </details>
      <div className="hidden space-y-2 pointer-coarse:block">
        <p className="font-medium">{t('wallet.none.app')}</p>
        <ul className="space-y-1">
          {links.map(({ name, href }) => (
            <li key={name}>
              <a className="inline-block py-2 underline underline-offset-2" href={href}>
                {name}
              </a>
            </li>
          ))}
        </ul>
      </div>
    </>
  )
}
