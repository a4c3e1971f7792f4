# SPDX-License-Identifier: GPL-3.0-or-later
"""The few labels of Windows' recovery-key file in the languages of Windows, as far as public sources show them.

Sure are the English and the German ones (published scripts that write look-alikes); the others are the words that Microsoft's support pages
of that language use for the same things, and may differ from the file's. Nothing in the collection depends on them: that is the point.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Wording:
    """What stands above the key ID and above the key; ``title`` is the first line; ``code_page`` that of old scripts there."""

    title: str
    identifier: str
    key: str
    code_page: str
    #: what separates a label from what follows
    colon: str = ":"


WORDINGS = {
    "en-US": Wording("BitLocker Drive Encryption recovery key", "Identifier", "Recovery Key", "cp1252"),
    "de-DE": Wording(
        "Wiederherstellungsschlüssel für die BitLocker-Laufwerkverschlüsselung", "Bezeichner", "Wiederherstellungsschlüssel", "cp1252"
    ),
    "fr-FR": Wording("Clé de récupération du chiffrement de lecteur BitLocker", "Identificateur", "Clé de récupération", "cp1252", " :"),
    "es-ES": Wording("Clave de recuperación de Cifrado de unidad BitLocker", "Identificador", "Clave de recuperación", "cp1252"),
    "it-IT": Wording("Chiave di ripristino di Crittografia unità BitLocker", "Identificatore", "Chiave di ripristino", "cp1252"),
    "pt-BR": Wording(
        "Chave de recuperação da Criptografia de Unidade de Disco BitLocker", "Identificador", "Chave de recuperação", "cp1252"
    ),
    "nl-NL": Wording("Herstelsleutel voor BitLocker-stationsversleuteling", "Id", "Herstelsleutel", "cp1252"),
    "pl-PL": Wording("Klucz odzyskiwania szyfrowania dysków funkcją BitLocker", "Identyfikator", "Klucz odzyskiwania", "cp1250"),
    "tr-TR": Wording("BitLocker Sürücü Şifrelemesi kurtarma anahtarı", "Tanımlayıcı", "Kurtarma Anahtarı", "cp1254"),
    "ru-RU": Wording("Ключ восстановления шифрования диска BitLocker", "Идентификатор", "Ключ восстановления", "cp1251"),
    "el-GR": Wording("Κλειδί αποκατάστασης κρυπτογράφησης μονάδας δίσκου BitLocker", "Αναγνωριστικό", "Κλειδί αποκατάστασης", "cp1253"),
    "he-IL": Wording("מפתח שחזור של הצפנת כונן BitLocker", "מזהה", "מפתח שחזור", "cp1255"),
    "ar-SA": Wording("مفتاح استرداد تشفير محرك الأقراص BitLocker", "المعرف", "مفتاح الاسترداد", "cp1256"),
    "ja-JP": Wording("BitLocker ドライブ暗号化の回復キー", "識別子", "回復キー", "cp932", "："),
    "zh-CN": Wording("BitLocker 驱动器加密恢复密钥", "标识符", "恢复密钥", "gbk", "："),
    "zh-TW": Wording("BitLocker 磁碟機加密修復金鑰", "識別碼", "修復金鑰", "big5", "："),
    "ko-KR": Wording("BitLocker 드라이브 암호화 복구 키", "식별자", "복구 키", "cp949"),
}

#: column headings of the account's page: device, key ID, key, drive, date; and a date as that country writes it
PAGES = {
    "en-US": ("Device name", "Key ID", "Recovery key", "Drive", "Key upload date", "5/4/2026 9:15:02 AM"),
    "de-DE": ("Gerätename", "Schlüssel-ID", "Wiederherstellungsschlüssel", "Laufwerk", "Uploaddatum", "04.05.2026 09:15:02"),
    "ja-JP": ("デバイス名", "キー ID", "回復キー", "ドライブ", "アップロード日", "2026/05/04 9:15:02"),
    "fr-FR": ("Nom de l\u2019appareil", "ID de clé", "Clé de récupération", "Lecteur", "Date de chargement", "04/05/2026 09:15:02"),
}
