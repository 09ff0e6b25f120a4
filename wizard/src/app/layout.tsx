import type { Metadata, Viewport } from 'next'
import { connection } from 'next/server'
import type { ReactNode } from 'react'
import { HostProvider } from '../api/host-context.tsx'
import { inter } from '../fonts/inter.ts'
import { requestLocale, requestTheme, serverText } from '../i18n/server.ts'
import { TextProvider } from '../i18n/text-context.tsx'
import { catalogues, hostWords } from '../messages/catalogues.ts'
import { SessionProvider } from '../session/session-context.tsx'
import { Frame } from '../ui/Frame.tsx'
import { WalletProvider } from '../wallet/wallet-context.tsx'
import './globals.css'

export async function generateMetadata(): Promise<Metadata> {
  return { title: await serverText('app.name'), description: await serverText('app.description'), referrer: 'no-referrer' }
}

export const viewport: Viewport = { width: 'device-width', initialScale: 1, colorScheme: 'light dark' }

export default async function Layout({ children }: { children: ReactNode }) {
  // every page carries its own nonce, so none is made before it is asked for
  await connection()
  const [locale, theme] = [await requestLocale(), await requestTheme()]
  return (
    <html lang={locale} data-theme={theme} className={inter.variable} suppressHydrationWarning>
      <body>
        <TextProvider locale={locale} catalogue={catalogues[locale]} hostWords={hostWords[locale]}>
          <HostProvider>
            <WalletProvider>
              <SessionProvider>
                <Frame theme={theme}>{children}</Frame>
              </SessionProvider>
            </WalletProvider>
          </HostProvider>
        </TextProvider>
      </body>
    </html>
  )
}
