"""People of the east and the south-east of Asia. Family names stand first where they are said first."""

from user_service.seed.locale import locale

THAI_DIGITS = "๐๑๒๓๔๕๖๗๘๙"

ASIA_EAST = (
    locale(
        "TH",
        women="สมหญิง=somying, กัญญารัตน์=kanyarat, ณัฐธิดา=natthida, พิมพ์ชนก=pimchanok, น้ำฝน=namfon",
        men="สมชาย=somchai, ธนวัฒน์=thanawat, กิตติศักดิ์=kittisak, ณัฐวุฒิ=natthawut, ปิยะ=piya",
        families="ใจดี=jaidee, ศรีสุวรรณ=srisuwan, วงศ์ไพศาล=wongpaisan, เจริญสุข=charoensuk, ณ อยุธยา=naayutthaya",
        places="เขตคลองเตย|กรุงเทพมหานคร|10110, อำเภอเมืองเชียงใหม่|เชียงใหม่|50#00, อำเภอหาดใหญ่|สงขลา|90110, "
        "อำเภอเมืองขอนแก่น|ขอนแก่น|40000",
        streets="ถนนสุขุมวิท, ถนนนิมมานเหมินท์, ถนนราชดำเนินกลาง, ซอยทองหล่อ 10",
        line1="?#/?# {street}; ?## {street}; **/** {street}",
        line2="แขวงคลองตัน; หมู่ที่ ?; ชั้น ?# อาคารสยาม",
        phones="+66 81 ### ####, 081-###-####, 02 250 ####, ๐๘๑-***-****",
        text="{name}\n{line1}\n{city} {region}\n{postal_code}",
        digits=THAI_DIGITS,
    ),
    locale(
        "VN",
        women="Thị Hồng=thihong, Thị Ngọc Ánh=thingocanh, Thu Hương=thuhuong, Mỹ Duyên=myduyen, Đoan Trang=doantrang",
        men="Văn Đức=vanduc, Quốc Bảo=quocbao, Minh Tuấn=minhtuan, Hữu Nghĩa=huunghia, Đình Phúc=dinhphuc",
        families="Nguyễn=nguyen, Trần=tran, Lê=le, Phạm=pham, Huỳnh=huynh, Đặng=dang, Võ=vo, Đỗ=do",
        places="Quận 1|Thành phố Hồ Chí Minh|7####, Quận Hoàn Kiếm|Hà Nội|11###, Quận Hải Châu|Đà Nẵng|50###, "
        "Thành phố Huế|Thừa Thiên Huế|49###",
        streets="Đường Lê Lợi, Phố Hàng Bông, Đường Nguyễn Huệ, Đường Trần Hưng Đạo, Ngõ Huyện",
        line1="?# {street}; Số ?#/? {street}; ?##/?#A {street}",
        line2="Phường Bến Nghé; Tầng ?; Phường Hàng Trống",
        phones="+84 90 ### ## ##, 0912 ### ###, (028) 3822 ####",
        text="{name}\n{line1}\n{city}\n{region} {postal_code}\nVIỆT NAM",
        name="{family} {given}",
        domain="thư.example",
    ),
    locale(
        "CN",
        women="秀英=xiuying, 芳=fang, 晓燕=xiaoyan, 欣怡=xinyi, 娜=na, 思琪=siqi, 静=jing",
        men="伟=wei, 强=qiang, 建国=jianguo, 浩然=haoran, 磊=lei, 子轩=zixuan, 勇=yong",
        families="王=wang, 李=li, 张=zhang, 刘=liu, 陈=chen, 欧阳=ouyang, 赵=zhao, 诸葛=zhuge, 吕=lyu",
        places="海淀区|北京市|1000##, 浦东新区|上海市|2001##, 广州市|广东省|5100##, 成都市|四川省|6100##, "
        "乌鲁木齐市|新疆维吾尔自治区|8300##",
        streets="中山路, 人民东路, 中关村大街, 解放大道, 长乐巷",
        line1="{street}?##号; {street}?#弄?号; {street}?##号?号楼?0?室",
        line2="?单元?0?室; 科技大厦?#层",
        phones="+86 138 #### ####, 139########, 010-6282####, +86-21-6350-####",
        text="{region}{city}\n{line1}\n{name}（收）\n{postal_code}",
        name="{family}{given}",
        domain="例子.example",
    ),
    locale(
        "JP",
        women="陽菜=hina, さくら=sakura, 美咲=misaki, 結衣=yui, あおい=aoi, 花子=hanako, 恵美子=emiko",
        men="大翔=hiroto, 蓮=ren, 健太=kenta, 一郎=ichiro, 悠真=yuma, 龍之介=ryunosuke, 翼=tsubasa",
        families="佐藤=sato, 鈴木=suzuki, 髙橋=takahashi, 田中=tanaka, 渡邉=watanabe, 小林=kobayashi, "
        "𠮷田=yoshida, 齋藤=saito",
        places="千代田区|東京都|100-00##, 大阪市北区|大阪府|530-00##, 札幌市中央区|北海道|060-00##, "
        "京都市左京区|京都府|606-80##, 那覇市|沖縄県|900-00##",
        streets="丸の内, 梅田, 本町, 緑ヶ丘, 桜台",
        line1="{street}?丁目?番?号; {street}?-?-?; {street}?#－?",
        line2="メゾン桜 ?0?号室; コーポひかり?0?; 霞ヶ関ビル?#階",
        phones="+81 90-2###-####, 090-3###-####, 03-3580-####, ０９０－２３４５－****",
        text="〒{postal_code}\n{region}{city}{line1}\n{name} 様",
        name="{family} {given}",
        digits="０１２３４５６７８９",
        domain="例え.example",
    ),
    locale(
        "KR",
        women="서연=seoyeon, 지우=jiwoo, 민서=minseo, 하은=haeun, 수빈=subin, 영희=younghee",
        men="민준=minjun, 서준=seojun, 도윤=doyun, 현우=hyunwoo, 철수=chulsoo, 지훈=jihoon",
        families="김=kim, 이=lee, 박=park, 최=choi, 정=jung, 남궁=namgung, 황보=hwangbo",
        places="강남구|서울특별시|061##, 해운대구|부산광역시|480##, 수원시 팔달구|경기도|164##, "
        "제주시|제주특별자치도|631##",
        streets="테헤란로, 세종대로, 해운대해변로, 효원로, 첨단로8길",
        line1="{street} ?##; {street} ?#-?; {street} ?## (역삼동)",
        line2="?0?동 ?0?호; 한빛빌딩 ?층; 지하 1층",
        phones="+82 10-2###-####, 010-3###-####, 02-739-####, +82 51 740 ####",
        text="{region} {city} {line1}\n{name} 귀하\n{postal_code}",
        name="{family}{given}",
    ),
    locale(
        "ID",
        women="Siti Aminah, Dewi, Ni Luh Putu, Ratna, Sri Wahyuni, Ayu",
        men="Budi, Slamet, I Made, Muhammad Rizky, Agus, Joko",
        families="Santoso, Wijaya, Siregar, Suhartono, Lestari, Nasution, Hutapea",
        places="Kota Bandung|Jawa Barat|401##, Jakarta Selatan|DKI Jakarta|121##, Denpasar|Bali|801##, "
        "Banda Aceh|Aceh|231##, Jayapura|Papua|991##",
        streets="Jl. Merdeka, Jl. Jend. Sudirman, Gang Kelinci, Jl. Raya Kuta, Jl. Teuku Umar",
        line1="{street} No. ?#; {street} No. ?#A; {street} RT 0?/RW 0?",
        line2="Kel. Cihapit, Kec. Bandung Wetan; Perumahan Griya Asri Blok C-?",
        phones="+62 812-####-####, 0813 #### ####, (021) 525 ####",
        text="{name}\n{line1}\n{city}\n{region} {postal_code}\nINDONESIA",
        domain="surat.example",
    ),
)
