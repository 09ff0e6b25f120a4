'use client'
import { useTexts } from '../i18n/text-context.tsx'
import { classes } from '../ui/classes.ts'
import { textLink } from '../ui/link-button.ts'
import { QrCode } from '../ui/QrCode.tsx'
import { useHere } from '../ui/use-here.ts'
import { walletLinks } from './wallet-links.ts'

/**
 * The way to a wallet that is on a phone (S14): there, a link into the browser of the wallet's app; elsewhere a QR code of this page.
 * Nothing where the page is one that only this machine can open.
 */
export function OnPhone() {
  const { t } = useTexts()
  const here = useHere()
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
              <a className={classes(textLink, 'inline-block py-2')} href={href}>
                {name}
              </a>
            </li>
          ))}
        </ul>
      </div>
    </>
  )
}
