# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plain English words that the grammar has no use for, and that are no typing errors either.

Without them "bring" would be mended to "brings", "heavy" to "heave", "wait" to "what".
"""

from __future__ import annotations

PLAIN_WORDS = frozenset(
    """able accept accident account active actual add address afraid afternoon against age agree
ahead alive allow alone aloud also alter although amazing among angry animal announce annoy answer
anyhow anyway apple april argue army arrive art aside ask asleep ate attack attempt august aunt
autumn average avoid awake award aware awful baby bad bake bake balance band bank bare bargain
barely bark base basic bath battle beach bear beat beautiful became become been beer began begin
begun behave being belief believe belong belt bend beneath benefit best bet better beyond bike bill
bird birth bit bite bitter blame blank blast bleed blend bless blind blood blow boast body boil bold
bomb bone borrow boss bother bought bow brain brake brand brave bread break breakfast breath breathe
breed brief bright brilliant bring broad broke broken brother brought brush bug build built bump
burn burst bury business busy buy cake call calm came camp cancel candle capital captain car card
care careful carry case cash cast catch cattle caught cause ceased cell cent central certain chain
chance change chapter charge chase chat cheap cheat cheer cheese chest chief child choice choose
chose church circle citizen city civil claim clap class clean clear clearly clever click client
climb close closed cloth cloud club coach coal coast coat code coffee cold collect college column
combine comfort comfortable command comment common company compete complain complete computer
concert condition confirm connect consider contact continue control cook cool copy corner correct
cost cotton cough could country couple courage course cousin cover crack craft crash crazy create
credit crew crime cross crowd cruel cry cup cure curious current curve custom customer cut cute
cycle daily damage dance danger dangerous dare dark data date daughter dawn day dead deaf deal dear
death debt decide deep defend degree delay delete deliver demand deny depend describe desert deserve
design desire destroy detail develop devil die diet differ different difficult dig dinner dirt dirty
disagree disappear discuss disease dish divide doctor doing dollar done double doubt down drag draw
drawn dream dress drew drink drive driven drop drove drown dry duck due dull dumb during dust duty
each eager ear early earn earth ease easily east easy eat eaten edge educate effect effort egg
either elect electric else email empty end enemy energy engine enjoy enough enter entire equal
error escape even evening event ever every evil exact exam example excellent except excite excuse
exist expect expensive experience explain explode express extra eye fact fail faint fair faith fall
false fame family famous fan fancy farm farmer fast fat father fault favor favour fear feather fed
feed feel fell felt female fence fetch fever few field fight fill film final finally find fine
finger finish fire firm first fish fit five fix flag flame flash flat flew flight float flood flow
flower fly fold folk follow food fool foot force foreign forest forget forgive fork forward
fought found frame free freedom fresh friend friendly frighten full fun funny fur future gain game
garden gas gate gather gave gay general gentle get ghost giant gift girl give given glad gloves
goal god gold golf gone good goods govern grab grade grain grand grant grateful grave great greet
grew grip group grow grown growth guard guess guest guide guilty gun guy habit hair half hall hang
happen happy hard hardly harm hat hate have heal health healthy hear heard heart heat heaven heavy
held hell hello help hence hero hidden hide hill hire history hit hobby hold hole holiday hollow
home honest honey hope horrible horse hospital host hot hotel hour house huge human humor humour
hundred hung hungry hunt hurry hurt husband ice idea ideal idle ignore ill image imagine impact
import important improve include income increase indeed indoor industry inform injure ink insect
insist instead insult intend interest invent invite iron island issue jail job join joint joke
journey joy judge juice july jump june jury just keen keep kept kick kid kill kind king kiss knee
knew knife knock know known labor labour lady laid lake lamb land language large last late lately
later laugh law lawyer lay lazy lead leader leaf lean leap learn least leather leave led leg legal
lend less lesson let lie life lift light like likely limit line lion lip liquid list listen little
live lively liver load loan local lock lone lonely loose lord lose loss lost lot loud love lovely
lover loving low loyal luck lucky lunch lung machine mad made magic mail main major make male man
manage manner many march mark market marry mass master match mate matter may maybe meal mean meant
meat medical meet meeting melt member memory mend mental mention menu mercy merry mess met method
might mild mile military milk mind mine minor minus miss mist mistake mix model modern moment monday
money monkey month mood moon moral more morning mother motion motor mount mouth move movie much mud
murder music must mystery name narrow nasty nation native nature naughty navy neat neck need needle
nephew nerve nervous nest net never new news nice niece night noble nobody nod noise noisy none noon
normal north nose note nothing notice noun nurse nut obey obtain occur ocean october odd offer
office often oil older oldest once only open opera operate opinion opposite orange order origin
other ought ours outdoor outside oven over owe own owner pace pack page paid pain paint pair pale
palm panic paper pardon parent park part party pass past path patient pause pay peace pen pencil
perfect perform perhaps permit phone photo piano pick picnic piece pig pile pilot pin pink pipe pity
plain plan planet plate play player please plenty plot plug plus pocket poem poet point poison pole
police polish polite pool poor popular port pose possess possible post pot pound pour powder power
praise pray prefer prepare present press pretty prevent price pride priest prime print prison
private prize probably problem produce profit program project promise proof proper protect proud
prove provide public pull pump punish pupil pure purpose push put quality quarrel quarter queen
question quick quickly quietly quit quite race radio rain raise ran rang rare rarely rate
rather raw reach react read ready real reason receive recent record red reduce refer refuse regret
relate relax release rely remain remark remember remind remove rent repair repeat replace reply
report request rescue rest restart result return reward rice rich ride right ring rise risk river
road roar rob rock role roll roof root rope rose rough round route row royal rub rubbish rude ruin
rule run rush sad safe safely said sail salad salary sale salt same sample sand sang sat sauce save
saw say scare scene school science score scream sea search season seat secret secure seed seek seem
seize seldom select self sell send sense sent separate serious serve service set settle seven
several severe sew sex shade shadow shake shall shame shape share sharp shave she sheep sheet shell
shelter shine ship shock shoe shoot shop shore shoulder shout show shower shut shy sick side sight
sign signal silence silent silk silly silver similar simple since sing single sink sister sit site
situation size skill skin skirt sky slave sleep sleeve slept slice slide slight slip slow slowly
smart smell smile smoke smooth snake snow soap social sock soft soil sold soldier solid solve some
son song soon sore sorry sort soul sound soup sour south space spare speak special speech speed
spell spend spent spill spin spirit spit spite split spoil spoke sport spot spread spring spy square
staff stage stain stamp stand star stare start starve state station stay steady steal steam steel
steep steer stem step stick stiff sting stir stole stomach stone stood stop store storm story
straight strange stranger stream street strength stress stretch strict strike string strong struck
student study stuff stupid style subject success such sudden suffer sugar suggest suit sum summer
sun supper supply support suppose sure surface surprise sweat sweep sweet swell swept swift swim
swing swore tail take taken tale talk tap task taste taught tax tea teach teacher team tear tease
teeth tell temper temperature ten tend term terrible test text thank theft theme then theory thick
thief thing think third thirsty thirty thorough though thought thread threat three threw throat
through throw thrown thumb thunder ticket tie tight till time tin tip tire tired title toast today
toe told tomorrow tone tongue tonight took tool tooth total touch tough tour toward towel tower town
toy track trade traffic train trap travel treasure treat tree trial trick trip trouble true truly
trunk trust truth try tube tune twelve twenty twice twin type ugly uncle under union unit unite
university unless untie until upon upper upset urge use useful usual usually valley value vary vast
very victim victory video view village violent virtue visit voice vote voyage wage waist wait wake
walk wall wander want war warm warn wash waste watch water wave way weak wealth weapon wear weather
wedding week weekend weigh weight welcome well went west wet wheat wheel whenever whether while
whip whisper whistle whole whose wicked wild willing win wind wine wing winter wipe wire wise wish
witness woke woman won wonder wood wool word wore work worker world worm worn worry worse worst
worth would wound wrap write written wrong wrote yard year yellow yell yesterday yet yield young
yours zero zone bob alice john mary peter paul anna tom jerry""".split()
)
