"""People of the Americas. Phones come from the ranges kept for fiction where a country has one."""

from user_service.seed.locale import locale

AMERICAS = (
    locale(
        "US",
        women="Olivia, Emma, Aaliyah, Grace, Harper, Naomi, Zoë, Mary Ann",
        men="Liam, Noah, Marcus, Ethan, Tyrone, Caleb, DeShawn, Billy Ray",
        families="Smith, Johnson, Washington, O'Connor, Nguyen, Garcia, Kowalski, Begay, St. Clair, Miller-Jones",
        places="Springfield|IL|627##, Portland|OR|972##, Mountain View|CA|9404#, Boston|MA|021##, Austin|TX|787##, "
        "Santa Fe|NM|875##, New York|NY|100##, Atlanta|GA|303##",
        streets="Maple Avenue, Oak Street, W 42nd St, Martin Luther King Jr Blvd, Old Mill Rd, County Road 12",
        line1="?## {street}; ?### {street}; ?# {street}",
        line2="Apt ?#; Suite ?00; Unit @; c/o Pat Doe",
        phones="+1 217 555 01##, (312) 555-01##, 212-555-01##, +1-503-555-01## ext. ##, 617.555.01##",
        text="{name}\n{line1}\n{city}, {region} {postal_code}",
    ),
    locale(
        "CA",
        women="Chloé, Émilie, Maëlle, Sarah, Priya, Anne-Sophie, Geneviève, Megan",
        men="Félix, Étienne, Jérôme, Liam, Jean-François, William, Arjun, Zachary",
        families="Tremblay, Gagnon, Côté, Lévesque, Bélanger, MacDonald, Singh, Wong, Saint-Pierre, Campbell",
        places="Montréal|QC|H2X #@#, Québec|QC|G1R #@#, Toronto|ON|M5V #@#, Vancouver|BC|V6B #@#, Halifax|NS|B3H #@#",
        streets="rue Saint-Denis, boulevard René-Lévesque Ouest, Queen Street West, avenue du Parc, Granville Street",
        line1="?## {street}; ?###, {street}",
        line2="app. ?#; bureau ?00; Unit ?#",
        phones="+1 514 555-01##, (418) 555-01##, 416-555-01##, +1 604 555 01##",
        text="{name}\n{line1}\n{city} {region}  {postal_code}\nCANADA",
        domain="courriel.example",
    ),
    locale(
        "MX",
        women="María Fernanda, Guadalupe, Ximena, Sofía, Itzel, Ana Lucía, Valentina, Renata",
        men="José Luis, Santiago, Ángel, Emiliano, Jesús, Diego, Iñaki, Cuauhtémoc",
        families="Hernández García, López Núñez, Martínez, Ramírez de la Cruz, Peña Muñoz, Flores, Xicoténcatl, Ibáñez",
        places="Ciudad de México|CDMX|06#00, Guadalajara|Jal.|441##, Mérida|Yuc.|970##, Monterrey|N.L.|640##, "
        "Oaxaca de Juárez|Oax.|680##",
        streets="Av. Insurgentes Sur, Calle 5 de Mayo, Paseo de la Reforma, Calle Benito Juárez, Calle 60",
        line1="{street} ?##; {street} ?## Int. ?; {street} s/n",
        line2="Col. Centro; Col. Roma Norte; Depto. ?0?",
        phones="+52 55 5### ####, +52 33 3### ####, +52 (999) 9## ## ##",
        text="{name}\n{line1}, {line2}\n{postal_code} {city}, {region}\nMéxico",
        domain="correo.example",
    ),
    locale(
        "BR",
        women="Maria Eduarda, Júlia, Conceição, Beatriz, Antônia, Larissa, Luíza, Iracema",
        men="João Pedro, Antônio, Gonçalo, Caíque, Raimundo, Luís Otávio, Davi, Ubirajara",
        families="Silva, da Conceição dos Santos, Araújo, Gonçalves Magalhães, de Sá, Yamamoto, Brandão, Assunção",
        places="São Paulo|SP|01#10-###, Rio de Janeiro|RJ|22041-0##, Salvador|BA|40301-1##, Belém|PA|66010-0##, "
        "Brasília|DF|70###-###, Florianópolis|SC|88010-###",
        streets="Avenida Paulista, Rua XV de Novembro, Rua das Laranjeiras, Travessa São João, Alameda Santos",
        line1="{street}, ?##; {street}, ?###; {street}, s/nº",
        line2="Apto ?0?, Bloco B; Casa ?; Fundos",
        phones="+55 11 9####-####, (21) 9####-####, +55 (71) 3###-####",
        text="{name}\n{line1}\n{city} - {region}\n{postal_code}\nBRASIL",
        domain="correio.example",
    ),
)
