"""People from the Bosporus to the Bay of Bengal. ZWNJ and native numerals stand where people write them."""

from user_service.seed.locale import locale

ARABIC_DIGITS = "٠١٢٣٤٥٦٧٨٩"
PERSIAN_DIGITS = "۰۱۲۳۴۵۶۷۸۹"
BENGALI_DIGITS = "০১২৩৪৫৬৭৮৯"

ASIA_WEST = (
    locale(
        "TR",
        women="Ayşe=ayse, Ilgın=ilgin, Çiğdem=cigdem, Işıl=isil, Gülşen=gulsen, İpek=ipek, Şule=sule, Zeynep",
        men="İbrahim=ibrahim, Oğuz=oguz, Çağrı=cagri, Işık=isik, Mustafa, Şükrü=sukru, Ümit=umit, Yiğit=yigit",
        families="Yılmaz=yilmaz, Şahin=sahin, Öztürk=ozturk, Çelik=celik, Işıklı=isikli, İlhan=ilhan, Kılıç=kilic",
        places="Kadıköy|İstanbul|347##, Çankaya|Ankara|066##, Karşıyaka|İzmir|355##, Eğil|Diyarbakır|21###",
        streets="İstiklal Cad., Bağdat Cad., Şehit Mustafa Sok., Atatürk Bulvarı, Gülbahçe Mah. Çınar Sk.",
        line1="{street} No: ?#; {street} No: ?#/?; {street} No: ?# D: ?",
        line2="Kat: ?; Çarşı içi",
        phones="+90 532 ### ## ##, 0212 2## ## ##, +90 (312) 4## ## ##",
        text="{name}\n{line1}\n{postal_code} {city}/{region}\nTÜRKİYE",
        domain="posta.example",
    ),
    locale(
        "IL",
        women="נועה=noa, תמר=tamar, שירה=shira, רחל=rachel, אביגיל=avigail, יעל=yael",
        men="יוסף=yosef, איתי=itai, אורי=uri, משה=moshe, דוד=david, נח=noach",
        families="כהן=cohen, לוי=levi, בן־דוד=bendavid, מזרחי=mizrahi, פרידמן=friedman, "
        "בן־שושן=benshushan, ז׳ורנו=giorno",
        places="תל אביב–יפו||6######, ירושלים||9######, חיפה||3######, באר שבע||8######",
        streets="רחוב הרצל, שדרות רוטשילד, רחוב בן יהודה, רח׳ ויצמן, דרך חברון",
        line1="{street} ?#; {street} ?#, דירה ?; {street} ?# א׳",
        line2="כניסה ב׳, קומה 3",
        phones="+972 54-2##-####, 03-5##-####, +972-2-62#-####",
        text="{name}\n{line1}\n{city} {postal_code}\nישראל",
    ),
    locale(
        "EG",
        women="فاطمة=fatma, نورهان=nourhan, هدى=hoda, آية=aya, منى=mona, زينب=zeinab",
        men="محمد=mohamed, أحمد=ahmed, عبد الرحمن=abdelrahman, كريم=karim, مينا=mina, يوسف=youssef",
        families="السيد=elsayed, حسن=hassan, عبد الله=abdallah, المصري=elmasry, جرجس=girgis, "
        "الشاذلي=elshazly, إبراهيم=ibrahim",
        places="القاهرة|محافظة القاهرة|115##, الجيزة|محافظة الجيزة|125##, الإسكندرية|محافظة الإسكندرية|215##",
        streets="شارع التحرير, شارع ٢٦ يوليو, شارع الهرم, ميدان سعد زغلول, كورنيش النيل",
        line1="?# {street}; ?# أ {street}; عمارة ? {street}",
        line2="الدور الثالث، شقة ?; بجوار الصيدلية",
        phones="+20 10 0### ####, ٠١٠٠ *** ****, 02 2### ####, +٢٠ ١٢ ٢*** ****",
        text="{name}\n{line1}\n{city}، {postal_code}\nمصر",
        digits=ARABIC_DIGITS,
    ),
    locale(
        "IR",
        women="زهرا=zahra, نیلوفر=niloufar, مریم=maryam, پریسا=parisa, گل‌نار=golnar, ژاله=zhaleh",
        men="علی‌رضا=alireza, محمدحسین=mohammadhossein, آرش=arash, کیوان=keyvan, علی‌اکبر=aliakbar, چنگیز=changiz",
        families="محمدی=mohammadi, حسین‌زاده=hosseinzadeh, خوش‌نویس=khoshnevis, پاک‌نژاد=paknejad, "
        "رضایی=rezaei, گل‌محمدی=golmohammadi",
        places="تهران|استان تهران|19###-1####, اصفهان|استان اصفهان|81###-1####, شیراز|استان فارس|71###-1####, "
        "تبریز|آذربایجان شرقی|51###-1####",
        streets="خیابان ولی‌عصر, خیابان انقلاب, بلوار کشاورز, کوچه‌ی نسترن, میدان نقش جهان",
        line1="{street}، پلاک **; {street}، پلاک *، واحد *; {street}، پلاک ?#",
        line2="طبقه‌ی سوم; زنگ دوم",
        phones="+98 912 ### ####, ۰۹۱۲ *** ****, 021 8877 ####, ۰۲۱-۸۸۷۷****",
        text="{name}\n{city}، {line1}\nکد پستی: {postal_code}\nایران",
        digits=PERSIAN_DIGITS,
    ),
    locale(
        "IN",
        women="प्रिया=priya, अनुष्का=anushka, लक्ष्मी=lakshmi, कृति=kriti, सुनीता=sunita, श्रेया=shreya",
        men="राहुल=rahul, अमित=amit, कृष्ण=krishna, विक्रम=vikram, ज्ञानेश=gyanesh, सुरेश=suresh",
        families="शर्मा=sharma, त्रिपाठी=tripathi, सिंह=singh, वर्मा=verma, मिश्रा=mishra, चतुर्वेदी=chaturvedi",
        places="नई दिल्ली|दिल्ली|1100##, वाराणसी|उत्तर प्रदेश|2210##, जयपुर|राजस्थान|3020##, भोपाल|मध्य प्रदेश|4620##",
        streets="महात्मा गाँधी मार्ग, लाल बहादुर शास्त्री मार्ग, अशोक रोड, चाँदनी चौक, गली क़ासिम जान",
        line1="मकान नं. ?##, {street}; ?#/?, {street}; फ़्लैट ?0?, {street}",
        line2="हनुमान मंदिर के पास; दूसरी मंज़िल; सेक्टर ?#",
        phones="+91 98### #####, 098### #####, +91-11-2338-####, 91 99### #####",
        text="{name}\n{line1}\n{city} – {postal_code}\n{region}\nभारत",
        domain="डाक.example",
    ),
    locale(
        "IN",
        women="தமிழ்ச்செல்வி=tamilselvi, கயல்விழி=kayalvizhi, மீனாட்சி=meenakshi, லட்சுமி=lakshmi, பூங்கொடி=poongodi",
        men="முருகன்=murugan, செந்தில்குமார்=senthilkumar, கார்த்திக்=karthik, இளங்கோ=ilango, அன்பழகன்=anbazhagan",
        families="சு.=s, கோ.=k, வெ.=v, இரா.=r, பா.=b",
        places="சென்னை|தமிழ்நாடு|6000##, மதுரை|தமிழ்நாடு|6250##, கோயம்புத்தூர்|தமிழ்நாடு|6410##",
        streets="அண்ணா சாலை, காந்தி தெரு, மேற்கு மாசி வீதி, டாக்டர் அம்பேத்கர் சாலை",
        line1="?#, {street}; கதவு எண் ?#/?, {street}",
        line2="முதல் தளம்; பேருந்து நிலையம் எதிரில்",
        phones="+91 94### #####, 044-2345 ####, 094### #####",
        text="{name}\n{line1}\n{city} – {postal_code}\n{region}\nஇந்தியா",
        name="{family} {given}",
    ),
    locale(
        "BD",
        women="নুসরাত জাহান=nusratjahan, ফারহানা=farhana, রুমানা=rumana, শর্মিষ্ঠা=sharmistha, মৌসুমী=mousumi",
        men="মোঃ রফিকুল=rafiqul, আব্দুল্লাহ=abdullah, সজীব=sajib, তানভীর=tanvir, অনির্বাণ=anirban",
        families="ইসলাম=islam, রহমান=rahman, চৌধুরী=chowdhury, হক=haque, দত্ত=dutta, ভট্টাচার্য=bhattacharjee",
        places="ঢাকা||12##, চট্টগ্রাম||40##, সিলেট||31##, রাজশাহী||60##",
        streets="মিরপুর রোড, সাতমসজিদ রোড, বঙ্গবন্ধু এভিনিউ, জিন্দাবাজার",
        line1="বাড়ি **, {street}; বাসা ?#, সড়ক ?, {street}",
        line2="ফ্ল্যাট ৩বি; ৪র্থ তলা",
        phones="+880 1711-######, ০১৭১১-******, +880 1819 ######",
        text="{name}\n{line1}\n{city}-{postal_code}\nবাংলাদেশ",
        digits=BENGALI_DIGITS,
    ),
)
