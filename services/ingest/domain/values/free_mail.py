"""Mail providers whose domain says nothing about a person's company. Pure.

The list comes from the providers' own pages about their domains, as of 2026.
"""

_DOMAINS = frozenset(
    # International.
    "gmail.com googlemail.com icloud.com me.com mac.com aol.com aim.com mail.com email.com usa.com protonmail.com"
    " proton.me pm.me tutanota.com tutanota.de tuta.io tuta.com fastmail.com fastmail.fm hey.com zoho.com zohomail.com"
    " hushmail.com inbox.com msn.com passport.com rocketmail.com ymail.com rediffmail.com duck.com mailbox.org"
    " posteo.net runbox.com skiff.com"
    # North America.
    " att.net bellsouth.net sbcglobal.net comcast.net xfinity.com verizon.net charter.net spectrum.net cox.net"
    " earthlink.net juno.com netzero.net optonline.net roadrunner.com rr.com centurylink.net frontier.com"
    " frontiernet.net windstream.net q.com suddenlink.net ptd.net rogers.com shaw.ca sympatico.ca bell.net telus.net"
    " videotron.ca cogeco.ca"
    # Germany, Austria, Switzerland.
    " web.de t-online.de freenet.de arcor.de posteo.de email.de mail.de online.de 1und1.de vodafone.de vodafonemail.de"
    " kabelmail.de unitybox.de magenta.de aon.at a1.net chello.at kabsi.at bluewin.ch sunrise.ch hispeed.ch"
    # France, Belgium, Netherlands.
    " orange.fr wanadoo.fr free.fr sfr.fr laposte.net neuf.fr bbox.fr numericable.fr club-internet.fr skynet.be"
    " telenet.be proximus.be ziggo.nl kpnmail.nl planet.nl xs4all.nl home.nl upcmail.nl"
    # Spain, Portugal, Latin America.
    " telefonica.net terra.es movistar.es ono.com sapo.pt netcabo.pt clix.pt iol.pt mail.telepac.pt uol.com.br"
    " bol.com.br terra.com.br ig.com.br globo.com globomail.com r7.com prodigy.net.mx"
    # Britain, Ireland, Italy, Scandinavia, the rest.
    " btinternet.com btopenworld.com virginmedia.com ntlworld.com blueyonder.co.uk talktalk.net tiscali.co.uk sky.com"
    " o2.co.uk plusnet.com eircom.net libero.it virgilio.it tiscali.it alice.it tin.it telia.com online.no"
    " wp.pl o2.pl onet.pl interia.pl seznam.cz centrum.cz mail.ru yandex.ru yandex.com bk.ru list.ru inbox.ru"
    " rambler.ru ukr.net qq.com 163.com 126.com sina.com naver.com hanmail.net daum.net bigpond.com bigpond.net.au"
    " optusnet.com.au iinet.net.au xtra.co.nz".split()
)
# These offer addresses under many countries: yahoo.fr, hotmail.co.uk, gmx.net.
_BRANDS = frozenset("gmx hotmail live outlook yahoo".split())
_PARTS_MAX = 3


def is_free_mail(domain: str) -> bool:
    """Return whether anyone can get an address at this domain, which is in lower case."""
    parts = domain.split(".")
    return domain in _DOMAINS or (parts[0] in _BRANDS and 1 < len(parts) <= _PARTS_MAX)
